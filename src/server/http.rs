//! What operators look at: health and metrics.

use super::{Context, Phase};
use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::TcpListener;
use std::sync::Arc;

/// Serves HTTP on a thread of its own.
pub fn serve(
    listener: TcpListener,
    context: Arc<Context>,
    prometheus: PrometheusHandle,
) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&context)))
            .app_data(web::Data::new(prometheus.clone()))
            .route("/livez", web::get().to(live))
            .route("/readyz", web::get().to(ready))
            .route("/metrics", web::get().to(metrics))
    });
    Ok(server.workers(1).disable_signals().shutdown_timeout(1).listen(listener)?.run())
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
        .body(prometheus.render())
}
