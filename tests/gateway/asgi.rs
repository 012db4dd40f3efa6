//! Real programs of others around the gateway: a service and an identity provider, each an ASGI
//! application that uvicorn serves with a certificate of its own, and clients that use `requests`.
//! Tokens are made by PyJWT with keys of its own, so the gateway's verification is not only checked
//! by the mock providers.
//!
//! Needs a Python with the packages in `tests/python/requirements.txt`; without them these tests say
//! so and pass, but for `TIDEGATE_TEST_REQUIRE=asgi` (see `python.rs`). The programs are in
//! `tests/asgi/`; everything is judged here.

mod consent;
mod pairs;
mod server;
mod stage;
mod tokens;
