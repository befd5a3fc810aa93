//! SIGHUP: the configuration and the price book are read again, and what may change while the server
//! runs changes.

use crate::config::{Config, Effect, SETTINGS, Setting, Sources};
use crate::files;
use crate::price_shelf::Shelf;
use crate::server::tls::{self, Tls};
use crate::server::{Context, ShardServer};
use crate::telemetry::Logs;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// What a reload changes.
pub(crate) struct Reload {
    pub(crate) context: Arc<Context>,
    pub(crate) shards: Vec<ShardServer>,
    pub(crate) sources: Sources,
    pub(crate) prices: Arc<Shelf>,
    /// What was configured at the start, as it was written.
    pub(crate) started: Config,
    pub(crate) logs: Logs,
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Reload {
    /// Reads the configuration again at each SIGHUP.
    pub(crate) async fn run(self) {
        let Ok(mut hangups) = signal(SignalKind::hangup()) else { return };
        while hangups.recv().await.is_some() {
            let reloaded = self.reload().await;
            let result = if reloaded.is_ok() { "ok" } else { "failed" };
            metrics::counter!("purser_config_reloads_total", "result" => result).increment(1);
            match reloaded {
                Ok(()) => {
                    tracing::info!("the configuration was read again");
                    self.reload_prices().await;
                }
                Err(error) => {
                    tracing::error!("nothing was changed, the configuration is wrong: {error:#}");
                }
            }
        }
    }

    /// Reads the price book again, on a thread of its own: it may be large.
    async fn reload_prices(&self) {
        let (prices, now) = (Arc::clone(&self.prices), self.context.clock.now());
        let reloaded = tokio::task::spawn_blocking(move || prices.reload(now)).await;
        match reloaded {
            Ok(Ok(Some(version))) => tracing::info!(%version, "the price book was read again"),
            Ok(Ok(None)) => tracing::warn!("no price book is in force yet"),
            Ok(Err(error)) => tracing::error!("the prices are as they were: {error}"),
            Err(error) => tracing::error!("the prices were not read: {error}"),
        }
    }

    async fn reload(&self) -> anyhow::Result<()> {
        let loaded = self.sources.load()?;
        let running = self.context.live();
        let (before, wanted) = (&running.config, &loaded.config);
        let mut next = before.clone();
        for setting in SETTINGS {
            if setting.effect == Effect::Reload {
                (setting.copy)(wanted, &mut next);
            }
        }
        if wanted.users.is_empty() && !before.users.is_empty() {
            // A file that was cut short must not open the door to everybody.
            anyhow::bail!(
                "without users everybody may do everything: the last of them goes only at a start"
            );
        }
        next.users.clone_from(&wanted.users);
        // What needs a restart is still as it was, and what changes must fit to it.
        next.check().map_err(|refused| {
            let (setting, allowed) = (refused.setting, refused.allowed);
            let value = Setting::named(setting).map(|setting| setting.toml(&next));
            let value = value.unwrap_or_default();
            anyhow::anyhow!("{setting} = {value}, with what needs a restart as it was: {allowed}")
        })?;
        let material = tls::load(&next, &loaded)?;
        match (&self.tls, &material) {
            (Some(tls), Some(material)) => tls.replace(material)?,
            (None, None) => {}
            _ => anyhow::bail!("TLS is switched on and off only at a start (tls_cert)"),
        }
        self.logs.set_level(&next.log_level)?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        if next.connections_max > before.connections_max {
            self.context.fit(files::allow(next.connections_max, &next.data));
        }
        self.context.reload(next, &self.shards).await;
        // Only now every shard goes by it: whoever reads what is said may rely on it.
        self.say(before, &self.context.live().config, wanted);
        Ok(())
    }

    /// Says what has changed, and what has not yet.
    fn say(&self, before: &Config, next: &Config, wanted: &Config) {
        for setting in SETTINGS {
            let (name, was) = (setting.name, (setting.show)(before));
            let (is, wants) = ((setting.show)(next), (setting.show)(wanted));
            if was != is {
                tracing::info!("{name} is {is} now, it was {was}");
            }
            if setting.effect == Effect::Restart && wants != (setting.show)(&self.started) {
                tracing::warn!("{name} = {wants} needs a restart");
            }
        }
        for user in &next.users {
            match before.users.iter().find(|other| other.name == user.name) {
                None => tracing::info!("user {} is new", user.name),
                Some(other) if other.secret != user.secret => {
                    tracing::info!("user {} has another secret: its connections end", user.name);
                }
                Some(other) if other != user => {
                    tracing::info!("user {} has other rights", user.name);
                }
                Some(_) => {}
            }
        }
        for user in &before.users {
            if !next.users.iter().any(|other| other.name == user.name) {
                tracing::info!("user {} is gone: its connections end", user.name);
            }
        }
    }
}
