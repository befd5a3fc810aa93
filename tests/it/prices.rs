//! Usage in, money out: the price book as a client meets it.

use super::support::{Client, Server, data, folder, text_of};
use redis::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A folder of price files, beside the data.
fn prices(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let files = folder.path().join("prices");
    std::fs::create_dir_all(&files).unwrap();
    write(&files, text);
    files
}

fn write(files: &Path, text: &str) {
    std::fs::write(files.join("house.toml"), text).unwrap();
}

fn serve(folder: &tempfile::TempDir, files: &Path) -> Server {
    Server::start_with(&data(folder), &["--prices", files.to_str().unwrap()])
}

/// A book in which each token of the model `m` costs so many thousandths.
fn flat(thousandths: u32) -> String {
    format!(
        "currency = \"USD\"\n[[card]]\nmodel = \"m\"\n\
         price = {{ tokens = {{ price = {thousandths}, per = 1000 }} }}\n"
    )
}

fn open(client: &mut Client, wallet: &str) {
    client.call(&format!("WALLET.OPEN {wallet} CURRENCY USD"));
    client.map(&format!("TOPUP {wallet} 1000 ID t"));
}

/// The lines of a price: unit, quantity, price, amount.
fn lines(client: &mut Client, call: &str) -> Vec<[String; 4]> {
    let Value::Array(parts) = client.call(call) else { panic!("{call}") };
    let at = parts.iter().position(|part| text_of(part) == "lines").unwrap();
    let Value::Array(lines) = &parts[at + 1] else { panic!("{call}") };
    let line = |line: &Value| {
        let Value::Array(fields) = line else { panic!("{line:?}") };
        let names = [0, 2, 4, 6].map(|place| text_of(&fields[place]));
        assert_eq!(names, ["unit", "quantity", "price", "amount"]);
        [1, 3, 5, 7].map(|place| text_of(&fields[place]))
    };
    lines.iter().map(line).collect()
}

#[test]
fn usage_is_held_captured_and_explained_by_the_shipped_book() {
    let folder = folder();
    let server = Server::start(&data(&folder));
    let mut client = server.client();
    open(&mut client, "w");
    let usage = "MODEL gpt-4o-mini QTY input_tokens 1000 QTY output_tokens 300";
    let held = client.map(&format!("AUTHORIZE w RATED {usage} ID h"));
    assert_eq!((held["status"].as_str(), held["amount"].as_str()), ("held", "0.00033"));
    let version = held["price_version"].clone();
    assert_eq!(version.len(), 16);
    // The order of quantities and their spelling do not make another request.
    let again = client.map(
        "AUTHORIZE w rated qty output_tokens 300.0 model gpt-4o-mini QTY input_tokens 1000 ID h",
    );
    assert_eq!((again["replayed"].as_str(), again["state"].as_str()), ("1", "open"));
    assert!(
        client
            .error(&format!("AUTHORIZE w RATED {usage} QTY images 1 ID h"))
            .starts_with("IDREUSED")
    );
    let capture = "CAPTURE w h RATED QTY input_tokens 1000 QTY output_tokens 33 \
                   QTY cache_read_tokens 5 ID c";
    let captured = client.map(capture);
    assert_eq!(captured["amount"], "0.000170175");
    assert_eq!(captured["captured"], "0.000170175");
    assert_eq!(captured["price_version"], version);
    assert_eq!(client.map(capture)["replayed"], "1");
    let explained = client.map("EXPLAIN w c");
    for (field, value) in [
        ("kind", "captured"),
        ("model", "gpt-4o-mini"),
        ("price", "0.000170175"),
        ("cost", "0.000170175"),
        ("margin", "0"),
        ("currency", "USD"),
    ] {
        assert_eq!(explained[field], value, "{field}");
    }
    assert_eq!(
        lines(&mut client, "EXPLAIN w c"),
        [
            ["cache_read_tokens", "5", "0.000000075", "0.000000375"],
            ["input_tokens", "1000", "0.00000015", "0.00015"],
            ["output_tokens", "33", "0.0000006", "0.0000198"],
        ]
    );
    let quote =
        "PRICE gpt-4o-mini QTY input_tokens 1000 QTY output_tokens 33 QTY cache_read_tokens 5";
    let priced = client.map(quote);
    assert_eq!((priced["amount"].as_str(), priced["currency"].as_str()), ("0.000170175", "USD"));
    assert_eq!(lines(&mut client, quote), lines(&mut client, "EXPLAIN w c"));
    let Value::Array(models) = client.call("PRICES.LIST PREFIX gpt-4o-mini") else {
        panic!("names")
    };
    assert!(models.len() > 5 && text_of(&models[0]) == "gpt-4o-mini", "{models:?}");
    assert_eq!(client.map("PRICES.GET gpt-4o-mini")["provider"], "openai");
    assert_eq!(client.map("HOLD.GET w h")["price_version"], version);
    assert!(client.error("EXPLAIN w nothing").starts_with("NOOP"));
    assert!(client.error("EXPLAIN nobody c").starts_with("NOWALLET"));
}

#[test]
fn what_has_no_price_is_refused_and_never_free() {
    let folder = folder();
    let files = prices(&folder, &flat(2));
    let server = serve(&folder, &files);
    let mut client = server.client();
    open(&mut client, "w");
    client.call("WALLET.OPEN e CURRENCY EUR");
    client.map("TOPUP e 1 ID t");
    for (call, error) in [
        ("CHARGE w RATED MODEL n QTY tokens 1 ID x", "NOPRICE model=n unit= "),
        ("CHARGE w RATED MODEL m VARIANT batch QTY tokens 1 ID x", "NOPRICE model=m unit= "),
        ("CHARGE w RATED MODEL m QTY images 0 ID x", "NOPRICE model=m unit=images "),
        ("CHARGE e RATED MODEL m QTY tokens 1 ID x", "CURRENCY card=USD "),
        ("PRICE m QTY tokens 1 WALLET e", "CURRENCY card=USD "),
        ("PRICE n QTY tokens 1", "NOPRICE model=n "),
        ("PRICES.GET n", "NOPRICE model=n "),
        ("CHARGE w RATED MODEL m ID x", "ERR syntax error: RATED needs QTY"),
        ("CHARGE w RATED QTY tokens 1 ID x", "ERR syntax error: RATED needs MODEL"),
        ("CHARGE w RATED MODEL m QTY tokens -1 ID x", "ERR invalid QTY tokens"),
        (
            "CHARGE w RATED MODEL m QTY tokens 1 QTY tokens 2 ID x",
            "ERR syntax error: QTY tokens is",
        ),
        ("CHARGE w RATED MODEL m QTY tokens 1000000000000000001 ID x", "RANGE QTY tokens"),
        ("CHARGE w 1 MODEL m ID x", "ERR syntax error: unknown option 'MODEL'"),
        ("CHARGE w RATED MODEL m QTY tokens 1 AT 1 ID x", "TOOLATE AT"),
        ("CHARGE w RATED MODEL m QTY tokens 1 AT 99999999999999 ID x", "RANGE AT"),
        ("CHARGE nobody RATED MODEL m QTY tokens 1 ID x", "NOWALLET"),
    ] {
        let told = client.error(call);
        assert!(told.starts_with(error), "{call}: {told}");
    }
    assert_eq!(client.map("BALANCE w")["available"], "1000");
    // A decline is still an answer, and says what it would have cost.
    let declined = client.map("CHARGE w RATED MODEL m QTY tokens 1000000 ID x");
    assert_eq!((declined["status"].as_str(), declined["required"].as_str()), ("declined", "2000"));
    // With less the price is what counts: MIN above it changes nothing.
    let held = client.map("AUTHORIZE w RATED MODEL m QTY tokens 5 MIN 3 ID h");
    assert_eq!(held["amount"], "0.01");
    let held = client.map("AUTHORIZE w RATED MODEL m QTY tokens 1000000 MIN 3 ID h2");
    assert_eq!(held["amount"], "999.99");
}

#[test]
fn a_hold_pins_its_prices_through_reloads_and_restarts() {
    let folder = folder();
    let files = prices(&folder, &flat(2));
    let server = serve(&folder, &files);
    let mut client = server.client();
    open(&mut client, "w");
    let first = client.map("AUTHORIZE w RATED MODEL m QTY tokens 100 ID h1");
    client.map("AUTHORIZE w RATED MODEL m QTY tokens 100 ID h2");
    client.map("AUTHORIZE w 1 ID plain");
    write(&files, &flat(3));
    let reloaded = text_of(&client.call("PRICES.RELOAD"));
    assert_ne!(reloaded, first["price_version"]);
    let captured = client.map("CAPTURE w h1 RATED QTY tokens 50 ID c1");
    assert_eq!(
        (captured["amount"].as_str(), &captured["price_version"]),
        ("0.1", &first["price_version"])
    );
    let charged = client.map("CHARGE w RATED MODEL m QTY tokens 50 ID x1");
    assert_eq!((charged["amount"].as_str(), &charged["price_version"]), ("0.15", &reloaded));
    // What pins nothing is rated by what is in force, and must name its model.
    assert!(client.error("CAPTURE w plain RATED QTY tokens 1 ID c2").starts_with("ERR the hold"));
    assert_eq!(client.map("CAPTURE w plain RATED MODEL m QTY tokens 1 ID c2")["amount"], "0.003");

    // A book that is wrong changes nothing, and says where.
    write(&files, "currency = \"USD\"\n[[card]]\nmodel = \"m\"\nprice = { tokens = \"-1\" }\n");
    let error = client.error("PRICES.RELOAD");
    assert!(error.contains("house.toml:4"), "{error}");
    assert_eq!(client.map("PRICE m QTY tokens 1")["price_version"], reloaded);

    // The old version outlives the process and its file.
    write(&files, &flat(4));
    assert!(server.terminate().success());
    let server = serve(&folder, &files);
    let mut client = server.client();
    let captured = client.map("CAPTURE w h2 RATED QTY tokens 50 ID c3");
    assert_eq!(
        (captured["amount"].as_str(), &captured["price_version"]),
        ("0.1", &first["price_version"])
    );
    assert_eq!(client.map("EXPLAIN w c1")["price"], "0.1");
    assert_eq!(client.map("EXPLAIN w x1")["price"], "0.15");
    assert_eq!(client.map("PRICE m QTY tokens 1000")["amount"], "4");
    // SIGHUP reads the book, too.
    write(&files, &flat(5));
    server.reload("the price book was read again");
    assert_eq!(client.map("PRICE m QTY tokens 1000")["amount"], "5");
}

#[test]
fn a_wallet_counts_what_it_used_for_its_tiers() {
    let folder = folder();
    let text = "currency = \"USD\"\n[[card]]\nmodel = \"m\"\nprice = { tokens = \
                { mode = \"graduated\", tiers = [{ up_to = 100, price = 3 }, { price = 2 }], \
                over = \"month\" } }\n[[markup]]\nplan = \"pro\"\npercent = 10\n";
    let files = prices(&folder, text);
    let server = serve(&folder, &files);
    let mut client = server.client();
    open(&mut client, "w");
    let amount = |client: &mut Client, call: &str| client.map(call)["amount"].clone();
    // What is only held counts nothing.
    assert_eq!(amount(&mut client, "AUTHORIZE w RATED MODEL m QTY tokens 80 ID h1"), "240");
    assert_eq!(amount(&mut client, "AUTHORIZE w RATED MODEL m QTY tokens 80 ID h2"), "240");
    assert_eq!(amount(&mut client, "CAPTURE w h1 RATED QTY tokens 80 ID c1"), "240");
    assert_eq!(amount(&mut client, "CAPTURE w h2 RATED QTY tokens 80 ID c2"), "180");
    assert_eq!(amount(&mut client, "PRICE m QTY tokens 1 WALLET w"), "2");
    assert_eq!(amount(&mut client, "PRICE m QTY tokens 1"), "3", "nobody has used anything yet");
    server.kill();
    let server = serve(&folder, &files);
    let mut client = server.client();
    assert_eq!(amount(&mut client, "PRICE m QTY tokens 1 WALLET w"), "2");
    // Why the second cost less is still known.
    assert_eq!(
        lines(&mut client, "EXPLAIN w c2"),
        [["tokens", "20", "3", "60"], ["tokens", "60", "2", "120"]]
    );
    // The plan has a markup; what was priced before it stays as it was.
    client.map("WALLET.SET w PLAN pro ID s");
    assert_eq!(amount(&mut client, "CHARGE w RATED MODEL m QTY tokens 10 ID x"), "22");
    let explained = client.map("EXPLAIN w x");
    assert_eq!((explained["cost"].as_str(), explained["margin"].as_str()), ("20", "2"));
    assert_eq!(client.map("EXPLAIN w c2")["margin"], "0");
}

/// A markup of zero, in front of one for all others, was left out of what is kept of a version, so that
/// the version could not be read back: after a restart on another book its holds could never be captured
/// by usage, and `verify` failed for good.
#[test]
fn a_version_with_a_markup_of_zero_is_read_back() {
    let folder = folder();
    let zero = "[[markup]]\nwallet = \"staff-*\"\npercent = 0\n[[markup]]\npercent = 20\n";
    let files = prices(&folder, &(flat(1_000) + zero));
    let server = serve(&folder, &files);
    let mut client = server.client();
    for wallet in ["w", "staff-1"] {
        open(&mut client, wallet);
        let held = client.map(&format!("AUTHORIZE {wallet} RATED MODEL m QTY tokens 10 ID h"));
        assert_eq!(held["amount"], if wallet == "w" { "12" } else { "10" });
        client.map(&format!("CHARGE {wallet} RATED MODEL m QTY tokens 10 ID c"));
    }
    server.kill();
    write(&files, &flat(2_000));
    let server = serve(&folder, &files);
    let mut client = server.client();
    for (wallet, amount, margin) in [("w", "6", "1"), ("staff-1", "5", "0")] {
        let captured = client.map(&format!("CAPTURE {wallet} h RATED QTY tokens 5 ID k"));
        assert_eq!(captured["amount"], amount);
        assert_eq!(client.map(&format!("EXPLAIN {wallet} k"))["margin"], margin);
        assert_eq!(client.map(&format!("EXPLAIN {wallet} c"))["cost"], "10");
    }
}

/// `EXPLAIN` said that there is no rate card where the version that it needs could not be read.
#[test]
fn explain_says_when_a_version_of_the_prices_cannot_be_read() {
    let folder = folder();
    let files = prices(&folder, &flat(1_000));
    let server = serve(&folder, &files);
    let mut client = server.client();
    open(&mut client, "w");
    client.map("CHARGE w RATED MODEL m QTY tokens 10 ID c");
    server.kill();
    write(&files, &flat(2_000));
    let server = serve(&folder, &files);
    // A start refuses what is damaged; this happens later.
    for kept in std::fs::read_dir(data(&folder).join("prices")).unwrap() {
        let path = kept.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            std::fs::write(path, "{}").unwrap();
        }
    }
    let mut client = server.client();
    let refused = client.error("EXPLAIN w c");
    assert!(refused.starts_with("NOPRICE model=m unit= "), "{refused}");
    assert!(refused.contains("cannot be read"), "{refused}");
    let charged = client.map("CHARGE w RATED MODEL m QTY tokens 10 ID d");
    assert_eq!(charged["amount"], "20", "what is in force is not concerned");
}

/// What was sold below its cost had a margin of zero: sums of margins said more than was earned.
#[test]
fn a_price_below_the_cost_has_a_negative_margin() {
    let folder = folder();
    let off = "[[markup]]\nwallet = \"staff-*\"\npercent = -100\n[[markup]]\npercent = -25\n";
    let server = serve(&folder, &prices(&folder, &(flat(1_000) + off)));
    let mut client = server.client();
    for (wallet, price, margin) in [("w", "7.5", "-2.5"), ("staff-1", "0", "-10")] {
        open(&mut client, wallet);
        client.map(&format!("CHARGE {wallet} RATED MODEL m QTY tokens 10 ID c"));
        let explained = client.map(&format!("EXPLAIN {wallet} c"));
        let shown = ["price", "cost", "margin"].map(|name| explained[name].as_str());
        assert_eq!(shown, [price, "10", margin]);
        let added = lines(&mut client, &format!("EXPLAIN {wallet} c"));
        let markup = added.iter().find(|line| line[0] == "markup").unwrap();
        assert_eq!(markup[3], margin, "the line of the markup says the same");
    }
}

#[test]
fn wallets_of_credits_are_priced_in_credits() {
    let folder = folder();
    let text = "[[card]]\nmodel = \"m\"\ncurrency = \"credits\"\nprice = { tokens = { package = 1, \
                size = 1000 }, images = 1, seconds = { package = 1, size = 10 } }\n\
                [[card]]\nmodel = \"m\"\ncurrency = \"USD\"\nprice = { tokens = \"0.001\" }\n";
    let files = prices(&folder, text);
    let server = serve(&folder, &files);
    let mut client = server.client();
    client.call("WALLET.OPEN w CURRENCY credits");
    client.map("TOPUP w 100 ID t PAID 9.99 CURRENCY EUR");
    let charged =
        client.map("CHARGE w RATED MODEL m QTY tokens 1001 QTY images 2 QTY seconds 10.5 ID x");
    assert_eq!(charged["amount"], "6");
    open(&mut client, "d");
    assert_eq!(client.map("CHARGE d RATED MODEL m QTY tokens 7 ID x")["amount"], "0.007");
    let Value::Array(rows) = client.call("LEDGER w KIND toppedup") else { panic!("rows") };
    let row: BTreeMap<_, _> = super::support::map_of(&rows[0]);
    assert_eq!((row["paid"].as_str(), row["paid_currency"].as_str()), ("9.99", "EUR"));
    assert!(
        client.error("TOPUP w 1 ID t2 PAID 1").starts_with("ERR syntax error: PAID and CURRENCY")
    );
    let Value::Array(cards) = client.call("PRICES.GET m") else { panic!("cards") };
    assert_eq!(cards.len(), 2, "one card a currency");
}

/// Each operation is rated by one version from its beginning to its end, however often the book changes.
#[test]
fn a_reload_under_load_rates_nothing_by_a_mixture() {
    let folder = folder();
    let files = prices(&folder, &flat(1));
    let server = serve(&folder, &files);
    let mut client = server.client();
    open(&mut client, "w");
    let version = |client: &mut Client| client.map("PRICE m QTY tokens 1")["price_version"].clone();
    let mut costs = BTreeMap::from([(version(&mut client), "0.01")]);
    write(&files, &flat(2));
    client.call("PRICES.RELOAD");
    costs.insert(version(&mut client), "0.02");
    assert_eq!(costs.len(), 2);
    let resp = server.resp;
    let charging = std::thread::spawn(move || {
        let mut client = Client::connect(resp);
        let mut seen = BTreeMap::<String, usize>::new();
        for number in 0..1_000 {
            let id = format!("n{number}");
            let charged = client.map(&format!("CHARGE w RATED MODEL m QTY tokens 10 ID {id}"));
            assert_eq!(charged["amount"], costs[&charged["price_version"]]);
            *seen.entry(charged["price_version"].clone()).or_default() += 1;
        }
        seen
    });
    let mut turn = 0;
    while !charging.is_finished() {
        turn += 1;
        write(&files, &flat(1 + turn % 2));
        client.call("PRICES.RELOAD");
    }
    let seen = charging.join().unwrap();
    assert!(seen.len() == 2 || turn < 4, "both were in force: {seen:?}");
}
