"""The start page, as a person sees it who was given the server's address."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

from tests.vocabulary.in_process import local_server
from tests.vocabulary.processes import SandboxProcess


async def test_the_start_page_has_the_url_and_installs_this_server_in_vs_code(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> None:
    url = f"http://localhost:{server_port}"
    async with local_server(tmp_path, url, sandbox.settings_for_server()) as local:
        text = (await local.browser().client.get(f"{url}/")).text
    [link] = re.findall(r'href="vscode:mcp/install\?([^"]+)"', text)
    assert json.loads(unquote(link)) == {"name": "okta", "type": "http", "url": f"{url}/mcp"}
    assert f"{url}/mcp" in re.sub("<[^>]*>", "", text)
