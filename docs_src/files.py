import asyncio

from fastapi import FastAPI, UploadFile
from fastapi.testclient import TestClient

import apiloom

service = FastAPI(title="Photos")


@service.post("/photos", operation_id="addPhoto")
async def add_photo(photo: UploadFile) -> dict[str, object]:
    return {"name": photo.filename, "type": photo.content_type, "bytes": len(await photo.read())}


photos = apiloom.load(service.openapi(), app=service)
service.mount("/mcp", photos.asgi(allowed_hosts=["testserver"]))

with TestClient(service) as client:
    sent = client.post(
        "/mcp/files",
        content=bytes(3_000_000),
        headers={"content-type": "image/jpeg", "content-disposition": 'attachment; filename="cat.jpg"'},
    )
print(sent.status_code, sent.json()["type"], sent.json()["size"])

answer = asyncio.run(photos.call("add_photo", {"photo": sent.json()["handle"]}))
print(answer.content[0].text)
