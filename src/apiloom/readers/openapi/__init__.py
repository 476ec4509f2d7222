"""OpenAPI and Swagger, every version, to the model."""
