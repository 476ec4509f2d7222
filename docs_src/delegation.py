from apiloom.catalog.lending import HEADER
from apiloom.catalog.server_config import config_to_json, read_config

config = read_config({"delegation": {"crm": {"mode": "header"}}})
print(config_to_json(config)["delegation"])

# what the vendor's backend sends with each MCP request of its user
headers = {
    "Authorization": "Bearer ala_…",  # lets it in here, and goes nowhere else
    f"{HEADER}crm": "Bearer the-users-own-token",  # goes to the API as its Authorization, word for word
}
print(*headers)
