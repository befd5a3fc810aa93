//! Reading a connection: bytes to requests, each to its wallet or to the session.
//!
//! A connection that has too much unanswered, or whose shard is behind its disk, is not read. Some
//! commands are barriers: what came before them is answered first, then they act.

mod waiting;

pub(super) use waiting::after;

use super::access::{Denied, Standing};
use super::clients::Client;
use super::connection::{Connection, Life};
use super::connections::Connections;
use super::drops::Dropped;
use super::session::{self, Action, ServerCommand, UserChange};
use super::socket::{Incoming, Outgoing};
use super::weight::{ID_BYTES, ROW_BYTES, VIEW_BYTES, weight_to_come};
use super::{Context, Phase};
use crate::codec::commands;
use crate::codec::glob;
use crate::codec::reply::ErrorCode;
use crate::codec::request::{self, Parsed, PricesAsked};
use crate::codec::resp::{Args, Limits, Parser, Writer};
use crate::config::Config;
use crate::domain::id::WalletId;
use crate::domain::ledger::LedgerQuery;
use crate::domain::outcome::{Outcome, Refusal};
use crate::domain::time::{Span, Timestamp};
use crate::engine::ReplyTo;
use crate::engine::peers::{Forward, Question, Scan};
use bytes::{Buf, BytesMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// After so many bytes of replies others have a turn.
const TURN_BYTES: usize = 64 * 1024;
/// An empty buffer of requests that has grown beyond this is not kept: clients are idle most of the time.
const INPUT_KEPT: usize = 4 * 1024;

/// Why the requests that have arrived are not taken any further.
enum Pause {
    /// More bytes are needed.
    Bytes,
    /// Replies must leave first.
    Replies,
    /// The filling batch must have room first.
    Room,
    /// A barrier acts when all before it is answered.
    Barrier(Action),
    /// Others have a turn.
    Turn,
    /// Nothing more is taken: what was asked is answered, then the connection ends.
    End,
}

/// A connection being read.
struct Reader {
    connection: Rc<Connection>,
    home: Rc<Connections>,
    stream: Incoming,
    input: BytesMut,
    parser: Parser,
    since: Instant,
    /// The client has sent a whole request.
    has_asked: bool,
    /// The parser has the limits of a client that must say first who it is.
    is_strict: bool,
}

/// Serves a connection to its end.
pub(super) async fn serve(
    home: Rc<Connections>,
    (incoming, outgoing): (Incoming, Outgoing),
    client: Arc<Client>,
) {
    let connection = Connection::new(Arc::clone(&client), outgoing, Rc::clone(&home));
    home.add(&connection);
    let reader = Reader {
        connection: Rc::clone(&connection),
        home: Rc::clone(&home),
        stream: incoming,
        input: BytesMut::new(),
        parser: Parser::new(limits(&home.live().config, connection.is_stranger())),
        // With TLS its handshake has taken a part of its time.
        since: client.since(),
        has_asked: false,
        is_strict: connection.is_stranger(),
    };
    reader.run().await;
    connection.kill();
    connection.settle(u32::MAX);
    home.remove(&connection);
    home.context.clients.remove(&client);
}

/// What a request may take, less before a client has said who it is.
fn limits(config: &Config, is_stranger: bool) -> Limits {
    if is_stranger {
        let (args_max, request_bytes_max) = (config.handshake_args_max, config.handshake_bytes_max);
        Limits { args_max, request_bytes_max }
    } else {
        let (args_max, request_bytes_max) = (config.request_args_max, config.request_bytes_max);
        Limits { args_max, request_bytes_max }
    }
}

impl Reader {
    async fn run(mut self) {
        loop {
            let pause = self.take_requests();
            self.home.touch(&self.connection);
            match pause {
                Pause::Bytes => {
                    if !self.read().await {
                        break;
                    }
                }
                Pause::Replies => self.wait_for_replies().await,
                Pause::Room => self.wait_for_room().await,
                Pause::Turn => tokio::task::yield_now().await,
                Pause::Barrier(action) => {
                    self.drained().await;
                    if self.connection.life() == Life::Dead || !self.act(action) {
                        break;
                    }
                }
                Pause::End => break,
            }
            self.heed_kill();
            if self.connection.life() != Life::Open {
                break;
            }
        }
        self.home.touch(&self.connection);
        self.drained().await;
    }

    /// Takes the requests that have arrived, all stamped with the same time.
    fn take_requests(&mut self) -> Pause {
        let context = Arc::clone(&self.home.context);
        let live = self.home.live();
        self.heed_standing();
        self.parser.set_limits(limits(&live.config, self.is_strict));
        let now = context.clock.now();
        let at = self.home.meters.now();
        let (mut taken, had): (u64, usize) = (0, self.input.len());
        let before = self.connection.unsent_bytes();
        let pause = loop {
            if self.connection.unsent_bytes().saturating_sub(before) > TURN_BYTES {
                break Pause::Turn;
            }
            if self.is_behind(&live.config) {
                break Pause::Replies;
            }
            if self.home.shard.is_full() && taken > 0 {
                break Pause::Room;
            }
            let parsed = match self.parser.next(&self.input) {
                Ok(parsed) => parsed,
                Err(error) => {
                    let mut bytes = Vec::new();
                    error.write_to(&mut bytes);
                    self.connection.note_dropped(Dropped::Protocol, &error);
                    self.connection.reply(bytes);
                    break Pause::End;
                }
            };
            let (consumed, barrier) = match parsed {
                crate::codec::resp::Parsed::Incomplete => break Pause::Bytes,
                crate::codec::resp::Parsed::Nothing { consumed } => (consumed, None),
                crate::codec::resp::Parsed::Request { consumed } => {
                    taken = taken.saturating_add(1);
                    let raw = self.input.get(..consumed).unwrap_or_default();
                    let args = self.parser.args(&self.input);
                    self.connection.begin(at);
                    (consumed, self.take((raw, args), now, &context, &live.config))
                }
            };
            self.input.advance(consumed);
            if let Some(action) = barrier {
                break Pause::Barrier(action);
            }
        };
        if self.input.is_empty() {
            self.parser.tidy();
            if had > INPUT_KEPT {
                self.input = BytesMut::new();
            }
        }
        // The flush that follows counts it.
        self.connection.set_input_bytes(self.input.len());
        if taken > 0 {
            self.has_asked = true;
            self.connection.show_command();
            self.connection.client.asks(taken, now);
        }
        self.home.meters.requests.add(taken);
        pause
    }

    /// A client that has logged out, or has to say who it is since the configuration was read again, has as long
    /// for that as a new one.
    fn heed_standing(&mut self) {
        let is_stranger = self.connection.is_stranger();
        if is_stranger && !self.is_strict {
            self.since = Instant::now();
        }
        self.is_strict = is_stranger;
    }

    /// Whether the client has so much unanswered or unread that it is not read for now.
    fn is_behind(&self, config: &Config) -> bool {
        self.connection.in_flight() >= config.connection_in_flight_max
            || self.connection.unsent_bytes() >= config.reply_bytes_max
    }

    /// Takes one request; answers a barrier's action.
    fn take(
        &self,
        (raw, args): (&[u8], Args<'_>),
        now: Timestamp,
        context: &Arc<Context>,
        config: &Config,
    ) -> Option<Action> {
        let connection = &self.connection;
        let own = ServerCommand::named(args.name());
        if self.is_strict && !own.is_some_and(ServerCommand::is_for_strangers) {
            connection.reject();
            self.refuse(ErrorCode::NoAuth, "Authentication required.");
            return None;
        }
        if config.slowlog_log_slower_than_us >= 0 && !own.is_some_and(ServerCommand::has_secrets) {
            connection.keep(raw, args);
        }
        if let Some(command) = own {
            return match session::handle(command, args, connection, context) {
                Action::Reply(bytes) => {
                    connection.reply(bytes);
                    None
                }
                barrier => Some(barrier),
            };
        }
        let (place, mut parsed) = match request::parse_placed(args, &context.requests_rules) {
            Ok(parsed) => parsed,
            Err(error) => {
                let known = commands::find(args.name());
                if let Some(place) = known.and_then(commands::place_of) {
                    connection.is_for(place);
                }
                connection.reject();
                self.error(&error);
                return None;
            }
        };
        connection.is_for(place);
        if let Standing::Known(account) = &*connection.standing() {
            if let Err(denied) = account.permits(place, parsed.wallet()) {
                self.deny(denied, args);
                return None;
            }
            if let Parsed::Wallet { request, .. } = &mut parsed {
                request.user = Some(account.name.clone());
            }
        }
        let (Parsed::Wallet { sent, .. }
        | Parsed::Ledger { sent, .. }
        | Parsed::Explain { sent, .. }
        | Parsed::Prices { sent, .. }
        | Parsed::Scan(request::Scan { sent, .. })) = &parsed;
        let window = Span::from_millis(config.dedup_window_ms);
        if context.phase() == Phase::Loading {
            connection.reply_outcome(Outcome::Refused(Refusal::Loading));
        } else if sent.is_some_and(|sent| sent.after(window) < now) {
            connection.reply_outcome(Outcome::Refused(Refusal::TooLate));
        } else if let Err(denied) = connection.admit(now) {
            self.deny(denied, args);
        } else {
            match parsed {
                Parsed::Wallet { request, .. } => {
                    let reply_to = self.expect(weight_to_come(&request.command));
                    let question = Question::Request(request);
                    self.home.shard.dispatch(Forward { question, reply_to, now });
                }
                Parsed::Ledger { wallet, query, .. } => self.ledger(wallet, query, now),
                Parsed::Scan(scan) => self.scan(&scan),
                Parsed::Explain { wallet, op, .. } => {
                    let reply_to = self.expect(VIEW_BYTES);
                    let question = Question::Explain(wallet, op);
                    self.home.shard.dispatch(Forward { question, reply_to, now });
                }
                Parsed::Prices { asked: PricesAsked::Quote(quote), .. } => {
                    connection.reply_outcome(self.home.shard.quote(&quote.usage, quote.at, now));
                    // It was answered at once.
                    connection.settle(1);
                }
                Parsed::Prices { asked: PricesAsked::Book(asked), .. } => {
                    let reply_to = self.expect(VIEW_BYTES);
                    self.home.shard.ask_book(asked, now, reply_to);
                }
            }
        }
        None
    }

    /// Asks for rows of a wallet's history.
    fn ledger(&self, wallet: WalletId, query: LedgerQuery, now: Timestamp) {
        let weight = query.count.saturating_mul(ROW_BYTES).max(VIEW_BYTES);
        let reply_to = self.expect(weight);
        let question = Question::Ledger(wallet, Box::new(query));
        self.home.shard.dispatch(Forward { question, reply_to, now });
    }

    /// Asks for a page of all wallets.
    fn scan(&self, asked: &request::Scan) {
        let account = match &*self.connection.standing() {
            Standing::Known(account) if !account.sees_all() => Some(Arc::clone(account)),
            _ => None,
        };
        let matches: Box<dyn Fn(&str) -> bool + Send> = match asked.pattern.clone() {
            None => Box::new(|_| true),
            Some(pattern) => Box::new(move |wallet| glob::matches(&pattern, wallet.as_bytes())),
        };
        let shows: Box<dyn Fn(&str) -> bool + Send> = match account {
            None => matches,
            Some(account) => Box::new(move |wallet| account.sees(wallet) && matches(wallet)),
        };
        self.home.shard.ask_page(Scan {
            cursor: self.home.shard.cursor(asked.cursor),
            count: asked.count,
            shows,
            reply_to: self.expect(asked.count.saturating_mul(ID_BYTES)),
        });
    }

    /// Makes room for a reply that will come.
    fn expect(&self, weight: usize) -> ReplyTo {
        ReplyTo {
            shard: self.home.shard.index,
            connection: self.connection.id,
            request: self.connection.expect(weight),
        }
    }

    fn error(&self, error: &request::RequestError) {
        let mut bytes = Vec::new();
        error.write(&mut Writer::new(&mut bytes, self.connection.proto()));
        self.connection.reply(bytes);
    }

    fn refuse(&self, code: ErrorCode, text: &str) {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, self.connection.proto());
        writer.error(code.as_str(), text.as_bytes());
        self.connection.reply(bytes);
    }

    fn deny(&self, denied: Denied, args: Args<'_>) {
        match denied {
            Denied::Command | Denied::Wallet => {}
            Denied::InFlight => self.home.meters.count_limited(false),
            Denied::Rate => self.home.meters.count_limited(true),
        }
        self.connection.reject();
        let code = match denied {
            Denied::Command | Denied::Wallet => ErrorCode::NoPerm,
            Denied::InFlight | Denied::Rate => ErrorCode::Busy,
        };
        self.refuse(code, &denied.words(&String::from_utf8_lossy(args.name())));
    }

    /// Changes who the client is; the user may have been removed since its password was checked.
    fn change_user(&self, change: UserChange) -> Result<(), &'static str> {
        match change {
            UserChange::Stay => {}
            UserChange::LogOut => self.connection.set_account(None),
            UserChange::LogIn(account) => {
                let account = self.home.live().access.current(&account);
                let account = account.ok_or(session::WRONG_PASS)?;
                self.connection.set_account(Some(account));
            }
        }
        Ok(())
    }

    /// What a barrier does when its time has come; answers whether the connection goes on.
    fn act(&self, action: Action) -> bool {
        match action {
            Action::Reply(bytes) => self.connection.reply(bytes),
            Action::Switch { proto, user, reply } => {
                if let Some(reply) = self.change_user(user).err() {
                    self.refuse(ErrorCode::WrongPass, reply);
                    return true;
                }
                self.connection.set_proto(proto);
                self.connection.reply(reply);
            }
            Action::Quit(reply) => {
                self.connection.reply(reply);
                return false;
            }
            Action::Shutdown => {
                self.home.context.stop_asked.notify_one();
                return false;
            }
        }
        true
    }
}
