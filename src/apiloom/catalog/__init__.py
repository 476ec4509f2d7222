"""Operations to tools: names, arguments, schemas, views, and the plan of a request. Pure."""
