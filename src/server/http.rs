//! What operators look at: health and metrics.

use super::tls::Tls;
use super::{Context, Phase};
use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};
use metrics_exporter_prometheus::PrometheusHandle;
use rustls::ServerConfig;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// How long a TLS handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// The most connections, so that those who open very many leave files to the store and to RESP.
const CONNECTIONS_MAX: usize = 256;

/// Serves HTTP on a thread of its own.
pub fn serve(
    listener: TcpListener,
    context: Arc<Context>,
    prometheus: PrometheusHandle,
    tls: Option<Arc<Tls>>,
) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&context)))
            .app_data(web::Data::new(prometheus.clone()))
            .route("/livez", web::get().to(live))
            .route("/livez", web::head().to(live))
            .route("/readyz", web::get().to(ready))
            .route("/readyz", web::head().to(ready))
            .route("/metrics", web::get().to(metrics))
    });
    let server =
        server.workers(1).max_connections(CONNECTIONS_MAX).disable_signals().shutdown_timeout(1);
    let server = match tls {
        None => server.listen(listener)?,
        Some(tls) => server
            .tls_handshake_timeout(HANDSHAKE_MAX)
            .listen_rustls_0_23(listener, ServerConfig::clone(&tls.config()))?,
    };
    Ok(server.run())
}

/// The process runs.
async fn live() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

/// It serves wallets.
async fn ready(context: web::Data<Context>) -> HttpResponse {
    match context.phase() {
        Phase::Ready => HttpResponse::Ok().body("ok\n"),
        Phase::Loading => HttpResponse::ServiceUnavailable().body("loading\n"),
        Phase::Stopping => HttpResponse::ServiceUnavailable().body("stopping\n"),
    }
}

async fn metrics(
    context: web::Data<Context>,
    prometheus: web::Data<PrometheusHandle>,
) -> HttpResponse {
    context.publish();
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(prometheus.render() + &context.exposition())
}
