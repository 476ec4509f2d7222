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
<link rel="icon" href="data:,">
{% if onward %}<meta http-equiv="refresh" content="0; url={{ onward }}">
{% endif %}<title>{{ title }}</title>
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
label { display: block; margin-bottom: .25rem; }
input { font: inherit; width: 100%; padding: .5rem; box-sizing: border-box; }
input.code { font-family: ui-monospace, monospace; font-size: 1.5rem; letter-spacing: .15em; max-width: 16rem; }
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
{% elif servers %}<ul>{% for server in servers %}<li>{{ server }}</li>{% endfor %}
{% if more %}<li>and {{ more }} more</li>{% endif %}</ul>
{% else %}no server yet{% endif %}</dd>
</dl>
<p class="note">Allow this only if you have just begun it yourself. {% if not shown_as %}Anyone can register an
application under any name: look at where you go back to.{% elif anyone %}Where it is from is proven only for
applications in the web: any program on this computer can say that it is this one.{% endif %}</p>
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

_DEVICE: Final = """{% extends "base" %}{% block body %}
<p>A device without a browser shows a code of eight letters. Whoever brings that code here lets the device act for them
at <strong>{{ gateway }}</strong>. {% if code %}Go on only if your device shows the very code that stands here, and if
you have just begun it there yourself.{% else %}Type it in as it stands there.{% endif %}</p>
{% if wrong %}<p class="note" role="alert">{{ wrong }}</p>{% endif %}
<form method="post" action="{{ action }}">
<input type="hidden" name="csrf" value="{{ csrf }}">
<label for="user_code">Code on the device</label>
<input id="user_code" name="user_code" class="code" value="{{ code }}" autocomplete="off" autocapitalize="characters"
spellcheck="false" required maxlength="60"{% if not code %} autofocus{% endif %}>
<p class="note">Nobody who helps you needs such a code: whoever sent you one, or a link to this page, would get in as
you.</p>
<div class="actions"><button class="first">{% if code %}The device shows this code{% else %}Go on{% endif %}</button>
</div>
</form>
{% endblock %}"""

_DEVICE_CONSENT: Final = """{% extends "base" %}{% block body %}
<p>A program on <strong>another device</strong> wants to act for you at <strong>{{ gateway }}</strong>.</p>
<dl>
<dt>It calls itself</dt><dd>{{ name or "(no name)" }}</dd>
{% if shown_as %}<dt>It says it is from</dt><dd>{{ shown_as }}</dd>{% endif %}
<dt>It began</dt><dd>{{ since }}{% if address %}, at the address {{ address }}{% if here %}, where you are too
{% else %}, which is not where you are{% endif %}{% endif %}</dd>
<dt>You are</dt><dd>{{ person }}</dd>
{% if tenant %}<dt>Tenant</dt><dd>{{ tenant }}</dd>{% endif %}
<dt>It may use</dt><dd>
{% if admin %}the admin API of this gateway, as {{ role }}
{% elif servers %}<ul>{% for server in servers %}<li>{{ server }}</li>{% endfor %}
{% if more %}<li>and {{ more }} more</li>{% endif %}</ul>
{% else %}no server yet{% endif %}</dd>
</dl>
<p class="note">Allow this only if you have just begun it yourself, on a device of yours. Any program can give itself
this name. If somebody sent you the code or a link, do not allow it: they would get in as you.</p>
<form method="post" action="{{ action }}">
<input type="hidden" name="csrf" value="{{ csrf }}">
<div class="actions">
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Do not allow</button>
</div>
</form>
{% endblock %}"""

_ONWARD: Final = """{% extends "base" %}{% block body %}
<p>You are taken to <strong>{{ host }}</strong>, to sign in there.</p>
<p><a href="{{ onward }}" rel="noreferrer">Go on to {{ host }}</a></p>
{% endblock %}"""

_DONE: Final = """{% extends "base" %}{% block body %}
<p role="status">{{ why }}</p>
{% endblock %}"""

_SORRY: Final = """{% extends "base" %}{% block body %}
<p role="alert">{{ why }}</p>
{% endblock %}"""

_PAGES = Environment(
    loader=DictLoader(
        {
            "base": _BASE,
            "consent": _CONSENT,
            "token": _SHOW,
            "device": _DEVICE,
            "device-consent": _DEVICE_CONSENT,
            "onward": _ONWARD,
            "done": _DONE,
            "sorry": _SORRY,
        }
    ),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


def render(page: str, values: Mapping[str, Any]) -> str:
    """A page by its name: ``consent``, ``token``, ``device``, ``device-consent``, ``onward``, ``done`` or ``sorry``."""
    return _PAGES.get_template(page).render(values)
