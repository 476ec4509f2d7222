from fastapi import FastAPI
from fastapi.testclient import TestClient

import apiloom

app = FastAPI(title="Pets")


@app.get("/pets/{pet_id}", operation_id="getPet", summary="One pet by its number")
def pet(pet_id: int) -> dict[str, object]:
    return {"id": pet_id, "name": "Rex"}


# The service's own description, and calls that stay inside this process.
tools = apiloom.load(app.openapi(), app=app)
app.mount("/mcp", tools.asgi(allowed_hosts=["testserver"]))

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "docs", "version": "1"}},
}
with TestClient(app) as client:
    answer = client.post("/mcp", json=INITIALIZE, headers={"accept": "application/json, text/event-stream"})
    print(answer.status_code, answer.json()["result"]["serverInfo"]["title"])
