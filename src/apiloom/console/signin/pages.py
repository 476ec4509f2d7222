"""The pages of a sign-in as templates: plain forms that need no script, and show what others say as text alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jinja2 import DictLoader, Environment, StrictUndefined

_BASE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{ title }}</title>
<style nonce="{{ nonce }}">
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 10vh auto; padding: 0 1.25rem; }
h1 { font-size: 1.4rem; line-height: 1.25; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1rem; }
dt { opacity: .75; } dd { margin: 0; overflow-wrap: anywhere; }
ul { margin: 0; padding-left: 1.1rem; }
.note { border-left: .25rem solid; padding-left: .75rem; opacity: .9; }
.actions { display: flex; gap: .75rem; margin-top: 1.5rem; }
button { font: inherit; padding: .55rem 1.2rem; border-radius: .4rem; border: 1px solid; cursor: pointer; }
button[value=allow], button.first { background: #14532d; color: #fff; border-color: #14532d; }
input { font: inherit; width: 100%; padding: .5rem; box-sizing: border-box; }
:focus-visible { outline: .2rem solid #2563eb; outline-offset: .15rem; }
</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
{% block body %}{% endblock %}
</main>
</body>
</html>
"""

_CONSENT: Final = """{% extends "base" %}{% block body %}
<p>An application wants to act for you at <strong>{{ gateway }}</strong>.</p>
<dl>
<dt>It calls itself</dt><dd>{{ name or "(no name)" }}</dd>
{% if shown_as %}<dt>It is from</dt><dd>{{ shown_as }}</dd>{% endif %}
<dt>You go back to</dt><dd>{{ host }}</dd>
<dt>You are</dt><dd>{{ person }}</dd>
{% if tenant %}<dt>Tenant</dt><dd>{{ tenant }}</dd>{% endif %}
<dt>It may use</dt><dd>
{% if admin %}the admin API of this gateway, as {{ role }}
{% elif servers %}<ul>{% for server in servers %}<li>{{ server }}</li>{% endfor %}</ul>
{% else %}no server yet{% endif %}</dd>
</dl>
<p class="note">Allow this only if you have just begun it yourself. {% if not shown_as %}Anyone can register an
application under any name: look at where you go back to.{% endif %}</p>
<form method="post" action="{{ action }}">
<input type="hidden" name="csrf" value="{{ csrf }}">
<div class="actions">
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Do not allow</button>
</div>
</form>
{% endblock %}"""

_SHOW: Final = """{% extends "base" %}{% block body %}
<p>An application wants to act for you at <strong>{{ gateway }}</strong>. Show who you are with an API token of this
gateway; the application does not see it.</p>
{% if wrong %}<p class="note" role="alert">{{ wrong }}</p>{% endif %}
<form method="post" action="{{ action }}">
<input type="hidden" name="csrf" value="{{ csrf }}">
<label for="token">API token</label>
<input id="token" name="token" type="password" autocomplete="off" spellcheck="false" required maxlength="200">
<div class="actions"><button class="first">Go on</button></div>
</form>
{% endblock %}"""

_SORRY: Final = """{% extends "base" %}{% block body %}
<p role="alert">{{ why }}</p>
{% endblock %}"""

_PAGES = Environment(
    loader=DictLoader({"base": _BASE, "consent": _CONSENT, "token": _SHOW, "sorry": _SORRY}),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


def render(page: str, values: Mapping[str, Any]) -> str:
    """A page: ``consent``, ``token`` or ``sorry``."""
    return _PAGES.get_template(page).render(values)
