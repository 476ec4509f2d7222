import asyncio

from fastapi import FastAPI

import apiloom

service = FastAPI(title="Library")
BOOKS = [{"id": n, "title": f"Book {n}", "text": "…" * 400} for n in range(300)]


@service.get("/books", operation_id="listBooks")
async def list_books() -> dict[str, list[dict[str, object]]]:
    return {"books": BOOKS}


library = apiloom.load(service.openapi(), app=service, options=apiloom.Options(result_tokens=2_000))

answer = asyncio.run(library.call("list_books", {}))
told = answer.meta["dev.apiloom/truncated"]
print(told["tokens"], told["limit"])
for cut in told["cut"]:
    print(cut["pointer"], cut["kind"], cut["kept"], "of", cut["of"])
