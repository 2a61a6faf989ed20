"""The types of Okta's policies: what each decides, and which engine has it.

Names are those of Okta's policies API, whose `type` parameter is required.
"""

POLICY_TYPES: dict[str, str] = {
    "OKTA_SIGN_ON": "global session policy: whether a session begins, and how long it lasts",
    "PASSWORD": "password policy: length, age, history, lockout and recovery",
    "MFA_ENROLL": "which authenticators people may or must enrol",
    "IDP_DISCOVERY": "which identity provider somebody is sent to",
    "ACCESS_POLICY": "authentication policy of applications: which factors, from where"
    " (Identity Engine)",
    "PROFILE_ENROLLMENT": "what somebody fills in when registering (Identity Engine)",
    "POST_AUTH_SESSION": "what happens when a running session looks risky (Identity Engine)",
    "ENTITY_RISK": "what happens when a person's risk changes (Identity Threat Protection)",
    "SESSION_VIOLATION_DETECTION": "which changes in a session count as a violation"
    " (Identity Threat Protection)",
    "DEVICE_SIGNAL_COLLECTION": "which signals of a device are collected (Identity Engine)",
    "CLIENT_UPDATE": "when Okta's programs on devices are updated (Identity Engine)",
    "IDENTITY_CLAIM_SOURCING": "from where claims about a person are taken (Identity Engine)",
}
