//! Golden files, and Parquet read back.

use super::*;
use crate::codec::record::Sums;
use crate::domain::amount::Amount;
use crate::domain::command::{GrantKind, RequestHash};
use crate::domain::event::{Event, EventKind};
use crate::domain::grant::GrantTerms;
use crate::domain::id::{Note, OpId, TagKey, TagValue, WalletId};
use crate::domain::outcome::WalletStatus;
use crate::domain::posting::{GrantNo, Posting, PostingKind};
use crate::domain::time::Timestamp;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use std::sync::Arc;

/// The largest sum that a wallet may reach, in 10^-12.
const SUM_MAX: i128 = 10_i128.pow(36);

fn op(text: &str) -> OpId {
    OpId::new(text.as_bytes()).unwrap()
}

fn sums([posted, held, debt, credit_limit]: [i128; 4]) -> Sums {
    let [posted, held, debt, credit_limit] =
        [posted, held, debt, credit_limit].map(Amount::from_pico);
    Sums { posted, held, debt, credit_limit }
}

fn record(seq: u64, kind: EventKind, postings: &[(PostingKind, i128)]) -> Record {
    let posting = |&(kind, pico): &(PostingKind, i128)| Posting {
        kind,
        grant: GrantNo(0),
        amount: Amount::from_pico(pico),
    };
    Record {
        wallet: WalletId::new(b"customer:7").unwrap(),
        seq,
        previous: if seq == 1 { Position::NONE } else { Position::new(1, seq) },
        event: Event {
            at: Timestamp::from_millis(1_700_000_000_123),
            op: None,
            user: None,
            request: RequestHash::default(),
            kind,
            postings: postings.iter().map(posting).collect(),
            price: None,
        },
        sums: sums([0; 4]),
        status: WalletStatus::Open,
        burned: vec![],
    }
}

/// A top-up of so much.
fn top_up(seq: u64, pico: i128, note: &str) -> Record {
    let (amount, op) = (Amount::from_pico(pico), op(&format!("t{seq}")));
    let (number, kind, priority) = (GrantNo(0), GrantKind::Paid, 30);
    let grant = GrantTerms { number, op: op.clone(), kind, priority, expires_at: None };
    let note = Note::new(note.as_bytes()).unwrap();
    let kind = EventKind::ToppedUp { amount, grant: Arc::new(grant), paid: None, note };
    let mut record = record(seq, kind, &[(PostingKind::Fund, pico)]);
    record.event.op = Some(op);
    record.event.request = RequestHash(0xfeed);
    record.sums = sums([pico, 0, 0, 0]);
    record
}

/// Rows that have everything, nothing, and what files trip over.
fn records() -> Vec<Record> {
    let tag = |key: &[u8], value: &str| {
        (TagKey::new(key).unwrap(), TagValue::new(value.as_bytes()).unwrap())
    };
    let mut captured = record(
        2,
        EventKind::Captured {
            hold: op("h1"),
            uncovered: Amount::from_pico(1),
            keep: false,
            late: true,
            tags: vec![tag(b"model", "m,1"), tag(b"who", "Zoë \"Z\"")],
        },
        &[(PostingKind::SpendFree, 1_500_000_000_000), (PostingKind::SpendDebt, 1)],
    );
    captured.event.op = Some(op("c1"));
    captured.event.request = RequestHash(u64::MAX);
    captured.sums = sums([SUM_MAX, 2, 1, 10_000_000_000_000]);
    let expired = record(3, EventKind::GrantExpired { grant: GrantNo(0) }, &[]);
    vec![top_up(1, 2_500_000_000_000, "first,\n\"Grüße\""), captured, expired]
}

fn written(format: Format, records: &[Record]) -> Vec<u8> {
    let mut writer = RowWriter::new(format, Vec::new()).unwrap();
    let currency = Currency::new(b"USD").unwrap();
    for record in records {
        let position = Position::new(1, record.seq + 1);
        writer.write(&Row { record, currency: &currency, position }).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn json_lines() {
    let expected = concat!(
        r#"{"wallet":"customer:7","currency":"USD","seq":1,"at":1700000000123,"kind":"toppedup","#,
        r#""op":"t1","hold":"","amount":"2.5","posted":"2.5","held":"0","debt":"0","#,
        r#""credit_limit":"0","entries":[{"account":"topups","amount":"-2.5"},"#,
        r#"{"account":"grants","amount":"2.5"}],"tags":{},"note":"first,\n\"Grüße\"","user":"","#,
        r#""price_version":"","uncovered":"0","over":false,"late":false,"#,
        r#""request_hash":"000000000000feed","position":"1:2","previous":"","#,
        r#""model":"","variant":"","quantities":{},"price":"0","cost":"0","margin":"0","used_at":null,"#,
        r#""paid":"0","paid_currency":""}"#,
        "\n",
        r#"{"wallet":"customer:7","currency":"USD","seq":2,"at":1700000000123,"kind":"captured","#,
        r#""op":"c1","hold":"h1","amount":"1.500000000001","posted":"1000000000000000000000000","#,
        r#""held":"0.000000000002","debt":"0.000000000001","credit_limit":"10","#,
        r#""entries":[{"account":"grants","amount":"-1.5"},"#,
        r#"{"account":"debt","amount":"-0.000000000001"},"#,
        r#"{"account":"usage","amount":"1.500000000001"}],"#,
        r#""tags":{"model":"m,1","who":"Zoë \"Z\""},"note":"","user":"","price_version":"","#,
        r#""uncovered":"0.000000000001","over":false,"late":true,"#,
        r#""request_hash":"ffffffffffffffff","position":"1:3","previous":"1:2","#,
        r#""model":"","variant":"","quantities":{},"price":"0","cost":"0","margin":"0","used_at":null,"#,
        r#""paid":"0","paid_currency":""}"#,
        "\n",
        r#"{"wallet":"customer:7","currency":"USD","seq":3,"at":1700000000123,"kind":"lapsed","#,
        r#""op":"","hold":"","amount":"0","posted":"0","held":"0","debt":"0","credit_limit":"0","#,
        r#""entries":[],"tags":{},"note":"","user":"","price_version":"","uncovered":"0","#,
        r#""over":false,"late":false,"request_hash":"","position":"1:4","previous":"1:3","#,
        r#""model":"","variant":"","quantities":{},"price":"0","cost":"0","margin":"0","used_at":null,"#,
        r#""paid":"0","paid_currency":""}"#,
        "\n",
    );
    assert_eq!(String::from_utf8(written(Format::Jsonl, &records())).unwrap(), expected);
    assert_eq!(written(Format::Jsonl, &[]), b"");
}

#[test]
fn comma_separated_values() {
    let names = "wallet,currency,seq,at,kind,op,hold,amount,posted,held,debt,credit_limit,entries,\
                 tags,note,user,price_version,uncovered,over,late,request_hash,position,previous,\
                 model,variant,quantities,price,cost,margin,used_at,paid,paid_currency\n";
    let rows = concat!(
        r#"customer:7,USD,1,1700000000123,toppedup,t1,,2.5,2.5,0,0,0,"#,
        r#""[{""account"":""topups"",""amount"":""-2.5""},{""account"":""grants"","#,
        r#"""amount"":""2.5""}]",{},"first,"#,
        "\n",
        r#"""Grüße""",,,0,false,false,000000000000feed,1:2,,,,{},0,0,0,,0,"#,
        "\n",
        r#"customer:7,USD,2,1700000000123,captured,c1,h1,1.500000000001,"#,
        r#"1000000000000000000000000,0.000000000002,0.000000000001,10,"#,
        r#""[{""account"":""grants"",""amount"":""-1.5""},{""account"":""debt"","#,
        r#"""amount"":""-0.000000000001""},{""account"":""usage"","#,
        r#"""amount"":""1.500000000001""}]","{""model"":""m,1"",""who"":""Zoë \""Z\""""}","#,
        r#",,,0.000000000001,false,true,ffffffffffffffff,1:3,1:2,,,{},0,0,0,,0,"#,
        "\n",
        "customer:7,USD,3,1700000000123,lapsed,,,0,0,0,0,0,[],{},,,,0,false,false,,1:4,1:3,,,{},0,0,0,,0,\n",
    );
    let written_text = String::from_utf8(written(Format::Csv, &records())).unwrap();
    assert_eq!(written_text, format!("{names}{rows}"));
    assert_eq!(written(Format::Csv, &[]), names.as_bytes());
}

/// The rows of a Parquet file as CSV has them: a reader of its own, over the same table.
fn read_back(bytes: Vec<u8>) -> (Vec<Vec<String>>, usize) {
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    let groups = reader.num_row_groups();
    let shown = |field: &Field| match field {
        Field::Str(text) => text.clone(),
        Field::Long(number) => number.to_string(),
        Field::TimestampMillis(millis) => millis.to_string(),
        Field::Bool(on) => on.to_string(),
        Field::Null => String::new(),
        Field::Decimal(decimal) => {
            assert_eq!((decimal.precision(), decimal.scale()), (38, 12));
            let pico = i128::from_be_bytes(decimal.data().try_into().unwrap());
            Amount::from_pico(pico).to_string()
        }
        other => panic!("{other:?}"),
    };
    let rows = reader.get_row_iter(None).unwrap().map(|row| {
        let row = row.unwrap();
        row.get_column_iter().map(|(_, field)| shown(field)).collect()
    });
    (rows.collect(), groups)
}

/// The rows of a CSV file.
fn table(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(bytes);
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn parquet_says_the_same_to_the_last_digit() {
    let records = records();
    let (rows, groups) = read_back(written(Format::Parquet, &records));
    assert_eq!(rows, table(&written(Format::Csv, &records)));
    assert_eq!(groups, 1);
    let (rows, groups) = read_back(written(Format::Parquet, &[]));
    assert_eq!((rows.len(), groups), (0, 0));
}

/// Many rows, from the smallest amount to the largest sum.
fn many() -> Vec<Record> {
    let odd = 6_364_136_223_846_793_005_i128;
    let amounts = (0..2_000_u32).map(|n| (odd * i128::from(n) + 1) % 10_i128.pow(1 + n % 37));
    let amounts = [1, 10_i128.pow(30), SUM_MAX].into_iter().chain(amounts.filter(|&a| a > 0));
    (1..).zip(amounts).map(|(seq, pico)| top_up(seq, pico, "")).collect()
}

/// However long a history is, no more than a group of it is in memory.
#[test]
fn row_groups_are_bounded() {
    let records = many();
    let currency = Currency::new(b"USD").unwrap();
    for (rows_max, bytes_max, expected) in
        [(100, usize::MAX, records.len().div_ceil(100)), (usize::MAX, 1, records.len())]
    {
        let group_max = parquet_file::GroupMax { rows: rows_max, bytes: bytes_max };
        let file = ParquetFile::with_groups(Vec::new(), group_max).unwrap();
        let mut writer = RowWriter(File::Parquet(Box::new(file)));
        for record in &records {
            let position = Position::new(1, record.seq + 1);
            writer.write(&Row { record, currency: &currency, position }).unwrap();
        }
        let (rows, groups) = read_back(writer.finish().unwrap());
        assert_eq!(groups, expected);
        assert_eq!(rows, table(&written(Format::Csv, &records)));
    }
}

/// A disk that takes so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_and_never_a_short_file() {
    let currency = Currency::new(b"USD").unwrap();
    for format in Format::ALL {
        let all = written(format, &records()).len();
        for room in [0, 1, all / 2, all - 1] {
            let outcome = RowWriter::new(format, Full(room)).and_then(|mut writer| {
                for record in &records() {
                    let position = Position::new(1, record.seq + 1);
                    writer.write(&Row { record, currency: &currency, position })?;
                }
                writer.finish()
            });
            assert!(outcome.is_err(), "{format:?} with room for {room} bytes");
        }
    }
}

#[test]
fn formats_go_by_their_names() {
    for format in Format::ALL {
        assert_eq!(Format::named(&format.as_str().to_uppercase()), Some(format));
    }
    assert_eq!(Format::named("xlsx"), None);
}

/// Files for other people's readers, if asked for: see `.ci/parquet`.
#[test]
fn samples() {
    let Some(folder) = std::env::var_os("EXPORT_SAMPLES") else { return };
    let records: Vec<_> = records().into_iter().chain(many()).collect();
    for format in Format::ALL {
        let name = format!("ledger.{}", format.as_str());
        let path = std::path::Path::new(&folder).join(name);
        std::fs::write(path, written(format, &records)).unwrap();
    }
}
