"""The allow-lists: every field of Okta's objects that a tool may show, object by object.

A reviewer reads here what can leave the organisation. `default` is what a model usually needs,
`full` is everything that is no secret. Never in any of them: `credentials`, signing keys, client
secrets, recovery answers, `_embedded.activation` of factors, profiles of application assignments
beyond a person's names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from okta_mcp.tools.projection import From, Leaf, NamesBeyond, Shape, values


@dataclass(frozen=True, slots=True)
class Shapes:
    """What the parameter `fields` chooses between."""

    default: Mapping[str, Shape]
    full: Mapping[str, Shape]

    def of(self, fields: str) -> Mapping[str, Shape]:
        """The shape for the value of `fields`."""
        return self.full if fields == "full" else self.default


_USER_DATES = values(
    "created", "activated", "statusChanged", "lastLogin", "lastUpdated", "passwordChanged"
)
_USER_NAMES = values("login", "email", "firstName", "lastName", "title", "department")
_USER_PROFILE: Mapping[str, Shape] = {
    **_USER_NAMES,
    **values("displayName", "secondEmail", "userType", "organization", "division"),
    **values("employeeNumber", "costCenter", "manager", "managerId", "city"),
    **values("countryCode", "timezone"),
    "mobilePhone": Leaf.PHONE,
    "primaryPhone": Leaf.PHONE,
}
# All of Okta's default user schema. An organisation's own attributes may hold anything, also a
# recovery word or a badge code under any name, so only their names are shown.
_USER_PROFILE_FULL: Mapping[str, Shape] = {
    **_USER_PROFILE,
    **values("middleName", "honorificPrefix", "honorificSuffix", "nickName", "profileUrl"),
    **values("state", "zipCode", "streetAddress", "postalAddress", "locale", "preferredLanguage"),
}
_BLOCKS = From(("_embedded", "blocks"), values("type", "appliesTo"))
_USER_FULL: Mapping[str, Shape] = {
    **values("id", "status"),
    **_USER_DATES,
    "profile": _USER_PROFILE_FULL,
    "customAttributes": From(("profile",), NamesBeyond(frozenset(_USER_PROFILE_FULL))),
    "typeId": From(("type", "id"), Leaf.VALUE),
    **values("realmId"),
}
USER_ROW: Final = Shapes(
    default={**values("id", "status", "lastLogin"), "profile": _USER_NAMES}, full=_USER_FULL
)
USER: Final = Shapes(
    default={
        **values("id", "status"),
        **_USER_DATES,
        "profile": _USER_PROFILE,
        "blocks": _BLOCKS,
    },
    full={**_USER_FULL, "blocks": _BLOCKS},
)

_GROUP_NAMES = values("name", "description")
_GROUP_STATS: Mapping[str, Shape] = {
    "usersCount": From(("_embedded", "stats", "usersCount"), Leaf.VALUE),
    "appsCount": From(("_embedded", "stats", "appsCount"), Leaf.VALUE),
    # Okta's own spelling.
    "hasAdminPrivilege": From(("_embedded", "stats", "hasAdminPrivlege"), Leaf.VALUE),
}
_GROUP_FULL: Mapping[str, Shape] = {
    **values("id", "type", "objectClass", "created", "lastUpdated", "lastMembershipUpdated"),
    "profile": {
        **_GROUP_NAMES,
        **values("samAccountName", "dn", "windowsDomainQualifiedName", "groupType"),
    },
}
GROUP_ROW: Final = Shapes(
    default={**values("id", "type"), "profile": _GROUP_NAMES, **_GROUP_STATS},
    full={**_GROUP_FULL, **_GROUP_STATS},
)
GROUP_RULE: Final = Shapes(
    default={
        **values("id", "name", "status"),
        "expression": From(("conditions", "expression", "value"), Leaf.VALUE),
        "groups": values("id", "name"),
        "excludedUsers": From(("conditions", "people", "users", "exclude"), Leaf.VALUE),
    },
    full={
        **values("id", "name", "status", "type", "created", "lastUpdated"),
        "expression": From(("conditions", "expression", "value"), Leaf.VALUE),
        "groups": values("id", "name"),
        "excludedUsers": From(("conditions", "people", "users", "exclude"), Leaf.VALUE),
        "excludedGroups": From(("conditions", "people", "groups", "exclude"), Leaf.VALUE),
    },
)
GROUP: Final = Shapes(
    default={
        **values("id", "type", "created", "lastUpdated", "lastMembershipUpdated"),
        "profile": _GROUP_NAMES,
    },
    full=_GROUP_FULL,
)

APP_LINK: Final = Shapes(
    default=values("label", "appName", "appInstanceId", "hidden"),
    full=values(
        *("id", "label", "appName", "appInstanceId", "appAssignmentId"),
        *("linkUrl", "hidden", "sortOrder", "credentialsSetup"),
    ),
)

_FACTOR_PROFILE: Mapping[str, Shape] = {
    **values("credentialId", "deviceType", "name", "platform", "version", "authenticatorName"),
    **values("email", "question", "questionText"),
    "phoneNumber": Leaf.PHONE,
}
FACTOR: Final = Shapes(
    default={
        **values("id", "factorType", "provider", "status", "lastUpdated"),
        "profile": _FACTOR_PROFILE,
    },
    full={
        **values("id", "factorType", "provider", "vendorName", "status", "created", "lastUpdated"),
        "profile": _FACTOR_PROFILE,
    },
)

_APPLICATION: Mapping[str, Shape] = {
    **values("id", "name", "label", "status", "signOnMode", "created", "lastUpdated"),
    "accessPolicyId": From(("_links", "accessPolicy"), Leaf.ID_OF_LINK),
}
_APPLICATION_FULL: Mapping[str, Shape] = {
    **_APPLICATION,
    **values("features"),
    "visibility": values("hide", "autoLaunch", "autoSubmitToolbar"),
    "accessibility": values("selfService", "errorRedirectUrl", "loginRedirectUrl"),
    "settings": {
        **values("implicitAssignment"),
        "app": values("url", "domain", "subDomain", "baseUrl", "loginURL", "requestIntegration"),
        "notes": values("admin", "enduser"),
        "oauthClient": {
            **values("application_type", "grant_types", "response_types", "consent_method"),
            **values("redirect_uris", "post_logout_redirect_uris", "initiate_login_uri"),
            **values("issuer_mode", "wildcard_redirect", "dpop_bound_access_tokens", "jwks_uri"),
            "refresh_token": values("rotation_type", "leeway"),
        },
        "signOn": {
            **values("ssoAcsUrl", "audience", "recipient", "destination", "idpIssuer"),
            **values("subjectNameIdTemplate", "subjectNameIdFormat", "signatureAlgorithm"),
            **values("digestAlgorithm", "responseSigned", "assertionSigned", "honorForceAuthn"),
            **values("samlAssertionLifetimeSeconds", "loginUrl", "redirectUrl"),
        },
    },
}
APPLICATION_ROW: Final = Shapes(
    default=values("id", "name", "label", "status", "signOnMode"), full=_APPLICATION_FULL
)
APPLICATION: Final = Shapes(default=_APPLICATION, full=_APPLICATION_FULL)

_ASSIGNED_PERSON = values("login", "email", "firstName", "lastName")
APPLICATION_USER: Final = Shapes(
    default={
        **values("id", "scope", "status"),
        "user": From(("_embedded", "user", "profile"), _ASSIGNED_PERSON),
    },
    full={
        **values("id", "externalId", "scope", "status", "syncState"),
        **values("created", "lastUpdated", "statusChanged", "passwordChanged", "lastSync"),
        "user": From(("_embedded", "user", "profile"), _ASSIGNED_PERSON),
        "userStatus": From(("_embedded", "user", "status"), Leaf.VALUE),
        "profile": values("email", "given_name", "family_name", "name", "displayName", "role"),
    },
)
APPLICATION_GROUP: Final = Shapes(
    default={
        **values("id", "priority"),
        "group": From(("_embedded", "group", "profile"), values("name")),
    },
    full={
        **values("id", "priority", "lastUpdated"),
        "group": From(("_embedded", "group", "profile"), _GROUP_NAMES),
        "groupType": From(("_embedded", "group", "type"), Leaf.VALUE),
    },
)

_LOG_PERSON = values("id", "type", "alternateId", "displayName")
_PLACE = values("city", "state", "country")
_LOG_EVENT: Mapping[str, Shape] = {
    **values("published", "eventType", "displayMessage", "severity"),
    "outcome": values("result", "reason"),
    "actor": _LOG_PERSON,
    "target": _LOG_PERSON,
    "client": {**values("ipAddress"), "geographicalContext": _PLACE},
    **values("uuid"),
}
LOG_EVENT: Final = Shapes(
    default=_LOG_EVENT,
    full={
        **_LOG_EVENT,
        "client": {
            **values("id", "ipAddress", "device", "zone"),
            "geographicalContext": {**_PLACE, "geolocation": values("lat", "lon")},
            "userAgent": values("rawUserAgent", "os", "browser"),
        },
        "authenticationContext": values(
            *("externalSessionId", "rootSessionId", "authenticationProvider"),
            *("authenticationStep", "credentialProvider", "credentialType", "interface"),
        ),
        "securityContext": {
            **values("asNumber", "asOrg", "isp", "domain", "isProxy"),
            "risk": values("level", "reasons"),
            "userBehaviors": values("name", "result"),
        },
        "transaction": {**values("id", "type"), "detail": values("requestApiTokenId")},
        "request": {"ipChain": {**values("ip", "version"), "geographicalContext": _PLACE}},
        "debugContext": {
            "debugData": values(
                *("risk", "behaviors", "threatSuspected", "threatDetections", "requestId"),
                *("requestUri", "factor", "factorIntent", "deviceFingerprint", "dtHash"),
                *("logOnlySecurityData", "pushOnlyResponseType", "promptingPolicyTypes"),
                *("changedAttributes", "privilegeGranted", "signOnMode", "grantType", "scopes"),
            )
        },
    },
)

_POLICY: Mapping[str, Shape] = {
    **values("id", "type", "name", "description", "status", "priority", "system")
}
_POLICY_FULL: Mapping[str, Shape] = {
    **_POLICY,
    **values("created", "lastUpdated"),
    "conditions": Leaf.TREE,
    "settings": Leaf.TREE,
}
POLICY_ROW: Final = Shapes(default=_POLICY, full=_POLICY_FULL)
POLICY: Final = Shapes(default={**_POLICY, "conditions": Leaf.TREE}, full=_POLICY_FULL)

_RULE: Mapping[str, Shape] = {
    **values("id", "name", "type", "status", "priority", "system"),
    "conditions": Leaf.TREE,
    "actions": Leaf.TREE,
}
POLICY_RULE: Final = Shapes(default=_RULE, full={**_RULE, **values("created", "lastUpdated")})

_ZONE: Mapping[str, Shape] = {
    **values("id", "name", "type", "status", "usage", "system"),
    **values("proxyType", "useAsExemptList"),
    "gateways": Leaf.TREE,
    "proxies": Leaf.TREE,
    "asns": Leaf.TREE,
    "locations": Leaf.TREE,
    "ipServiceCategories": Leaf.TREE,
}
NETWORK_ZONE: Final = Shapes(default=_ZONE, full={**_ZONE, **values("created", "lastUpdated")})

# Never the token itself: Okta shows it once, when it is made.
_API_TOKEN: Mapping[str, Shape] = {
    **values("id", "name", "userId", "created", "expiresAt"),
    "network": values("connection", "include", "exclude"),
}
API_TOKEN: Final = Shapes(
    default=_API_TOKEN, full={**_API_TOKEN, **values("lastUpdated", "clientName", "tokenWindow")}
)

_DEVICE_PROFILE = values(
    *("displayName", "platform", "manufacturer", "model", "osVersion", "registered", "managed"),
    *("diskEncryptionType", "secureHardwarePresent", "integrityJailbreak"),
)
_DEVICE_USERS = From(
    ("_embedded", "users"),
    {
        **values("managementStatus", "screenLockType", "created"),
        "id": From(("user", "id"), Leaf.VALUE),
        "login": From(("user", "profile", "login"), Leaf.VALUE),
        "status": From(("user", "status"), Leaf.VALUE),
    },
)
DEVICE: Final = Shapes(
    default={
        **values("id", "status", "lastUpdated"),
        "profile": _DEVICE_PROFILE,
        "users": _DEVICE_USERS,
    },
    full={
        **values("id", "status", "created", "lastUpdated", "resourceType"),
        "profile": {
            **_DEVICE_PROFILE,
            **values("serialNumber", "udid", "imei", "meid", "sid"),
        },
        "users": _DEVICE_USERS,
    },
)
