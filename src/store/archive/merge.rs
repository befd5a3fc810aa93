//! Merging: neighbours become one segment, so that there are few filters to ask and few files.
//!
//! Blocks are copied as they are; the indexes, which are sorted, are read side by side.

use super::super::StoreError;
use super::cache::Cache;
use super::filter::Filter;
use super::folder::{Appends, Folder};
use super::footer::LogRow;
use super::index::{Index, IndexWriter};
use super::key::Secret;
use super::page::Entry;
use super::segment::{Segment, SegmentWriter};
use super::view::Part;
use crate::codec::record::Position;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Range;

/// The fewest segments that are merged.
const WIDTH: usize = 8;
/// No segment may have more than this share of what is merged: each merge then makes the segment of
/// a byte at least so many times larger, and so a byte is seldom copied.
const SHARE: u64 = 4;

/// Which neighbours to merge: the smallest run of enough segments of about a size.
pub(super) fn choose(sizes: &[u64], bytes_max: u64) -> Option<Range<usize>> {
    let mut best: Option<(u64, Range<usize>)> = None;
    for from in 0..sizes.len() {
        let (mut sum, mut largest) = (0_u64, 0);
        for (&size, to) in sizes.iter().skip(from).zip(from.saturating_add(1)..) {
            sum = sum.saturating_add(size);
            largest = largest.max(size);
            if sum > bytes_max || best.as_ref().is_some_and(|(least, _)| *least <= sum) {
                break;
            }
            if to.saturating_sub(from) >= WIDTH && largest.saturating_mul(SHARE) <= sum {
                best = Some((sum, from..to));
                break;
            }
        }
    }
    best.map(|(_, run)| run)
}

/// Writes neighbours as one segment; it is safe on disk, but has not got its name yet.
pub(super) fn merge(
    folder: &Folder,
    appends: Appends,
    parts: &[Part],
    secret: Secret,
    cache: &Cache,
) -> Result<(Segment, Index, Filter), StoreError> {
    let mut writer = SegmentWriter::new(folder, appends)?;
    let mut logs = BTreeMap::<u8, LogRow>::new();
    for Part { segment, .. } in parts {
        let footer = &segment.footer;
        footer.blocks.iter().try_for_each(|block| writer.copy(segment, block))?;
        writer.note_many(footer.records, footer.first_time, footer.last_time);
        for row in &footer.logs {
            logs.entry(row.log()).or_insert(*row).end = row.end;
        }
    }
    let segment = writer.finish(logs.into_values().collect())?;
    let mut index = IndexWriter::new(folder, appends)?;
    let mut heads: Vec<_> = parts.iter().map(|part| part.index.entries().peekable()).collect();
    while let Some(entry) = take_least(&mut heads)? {
        index.add(last_of_wallet(entry, &mut heads, parts, cache)?)?;
    }
    let (index, filter) = index.finish(segment.crc, secret)?;
    Ok((segment, index, filter))
}

/// The least of all next entries.
fn take_least<I>(heads: &mut [Peekable<I>]) -> Result<Option<Entry>, StoreError>
where
    I: Iterator<Item = Result<Entry, StoreError>>,
{
    let mut least: Option<(Entry, usize)> = None;
    for (place, head) in heads.iter_mut().enumerate() {
        match head.peek() {
            Some(Ok(entry)) if least.is_none_or(|(least, _)| *entry < least) => {
                least = Some((*entry, place));
            }
            Some(Err(_)) => return head.next().transpose(),
            _ => {}
        }
    }
    let head = least.and_then(|(_, place)| heads.get_mut(place));
    head.and_then(Iterator::next).transpose()
}

/// Of the entries of a wallet, one a segment, the one of its last record; others stay as they are.
fn last_of_wallet<I>(
    entry: Entry,
    heads: &mut [Peekable<I>],
    parts: &[Part],
    cache: &Cache,
) -> Result<Entry, StoreError>
where
    I: Iterator<Item = Result<Entry, StoreError>>,
{
    let (key, mut last) = entry;
    if !key.is_of_wallet() {
        return Ok(entry);
    }
    let is_same = |next: &Result<Entry, StoreError>| next.as_ref().is_ok_and(|next| next.0 == key);
    for head in heads {
        while let Some(next) = head.next_if(is_same) {
            last = later(last, next?.1, parts, cache)?;
        }
    }
    Ok((key, last))
}

/// Which of two records of a wallet is the later one.
fn later(
    one: Position,
    other: Position,
    parts: &[Part],
    cache: &Cache,
) -> Result<Position, StoreError> {
    if one.log() == other.log() {
        return Ok(one.max(other));
    }
    // The wallet moved to another shard, and only its own numbers say when.
    let seq = |position| {
        for part in parts {
            if let Some(record) = part.record(position, cache)? {
                return Ok(record.seq);
            }
        }
        Ok(0)
    };
    Ok(if seq(one)? < seq(other)? { other } else { one })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_about_a_size_are_chosen() {
        let small = [10; 8];
        assert_eq!(choose(&small, 1_000), Some(0..8));
        assert_eq!(choose(&small[..7], 1_000), None);
        assert_eq!(choose(&small, 79), None, "the merged one would be too large");
        let with_large = [&[80, 640][..], &small].concat();
        assert_eq!(choose(&with_large, 1_000), Some(2..10));
        let uneven = [80, 10, 10, 10, 10, 10, 10, 10];
        assert_eq!(choose(&uneven, 1_000), None);
    }

    /// Whatever sizes come, the number of segments stays small, and no byte is copied often.
    #[test]
    fn the_number_of_segments_grows_slowly() {
        for sizes in [&[10_u64][..], &[10, 1, 1], &[100, 1, 1, 1, 1, 1, 1, 1], &[1, 1_000]] {
            let mut segments = Vec::new();
            let (mut added, mut copied) = (0, 0);
            for &size in sizes.iter().cycle().take(5_000) {
                segments.push(size);
                added += size;
                while let Some(run) = choose(&segments, u64::MAX) {
                    let sum = segments[run.clone()].iter().sum();
                    copied += sum;
                    segments.splice(run, [sum]);
                }
                assert!(segments.len() < 200, "{segments:?}");
            }
            assert!(copied < added * 8, "{copied} of {added}");
        }
    }
}
