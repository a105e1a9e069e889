// Starts Swagger UI on our own OpenAPI document. `validatorUrl: null`: no badge from a server elsewhere.
window.SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null });
