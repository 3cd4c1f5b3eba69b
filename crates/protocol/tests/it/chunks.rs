//! Long envelopes in pieces, and peers that lie about them.

use driftless_protocol::{
    Assembler, Chunk, ChunkError, Chunker, FeedId, Message, encode_batch, limits,
};
use proptest::prelude::*;

const FEED: FeedId = FeedId([1; 16]);

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn chunks(bytes: &[u8]) -> Vec<Chunk> {
    Chunker::new(FEED, 7, bytes).unwrap().collect()
}

#[test]
fn a_long_envelope_arrives_whole() {
    for length in [
        1,
        limits::CHUNK,
        limits::CHUNK + 1,
        3 * limits::CHUNK,
        1_000_000,
    ] {
        let bytes = noise(length);
        let mut assembler = Assembler::new();
        let pieces = chunks(&bytes);
        assert_eq!(pieces.len(), length.div_ceil(limits::CHUNK));
        let (last, first) = pieces.split_last().unwrap();
        for piece in first {
            assert_eq!(assembler.accept(piece), Ok(None));
        }
        let whole = assembler.accept(last).unwrap().unwrap();
        assert_eq!((whole.feed, whole.n, whole.bytes), (FEED, 7, bytes));
        assert_eq!(assembler.position(), None);
    }
}

#[test]
fn a_chunk_that_does_not_compress_fits_a_frame() {
    let chunk = chunks(&noise(limits::CHUNK)).remove(0);
    assert!(chunk.data.len() > limits::CHUNK);
    assert!(encode_batch(&[Message::Chunk(chunk)]).is_ok());
}

#[test]
fn a_transfer_resumes_at_the_chunk_where_it_stopped() {
    let bytes = noise(200_000);
    let mut assembler = Assembler::new();
    assembler.accept(&chunks(&bytes)[0]).unwrap();
    let (feed, n, offset) = assembler.position().unwrap();
    let rest: Vec<Chunk> = Chunker::resume(feed, n, &bytes, offset).unwrap().collect();
    assert_eq!(
        rest,
        chunks(&bytes)[1..],
        "a chunk is the same each time it is made"
    );
    let whole = rest
        .iter()
        .find_map(|chunk| assembler.accept(chunk).unwrap())
        .unwrap();
    assert_eq!(whole.bytes, bytes);
}

#[test]
fn hostile_addresses_are_refused_and_leave_nothing_behind() {
    let bytes = noise(200_000);
    let pieces = chunks(&bytes);
    let after_first = |change: &dyn Fn(&mut Chunk)| {
        let mut assembler = Assembler::new();
        assembler.accept(&pieces[0]).unwrap();
        let mut chunk = pieces[1].clone();
        change(&mut chunk);
        let refused = assembler.accept(&chunk).unwrap_err();
        assert_eq!((assembler.position(), assembler.held_bytes()), (None, 0));
        refused
    };
    let expected = limits::CHUNK;
    assert_eq!(
        after_first(&|c| c.offset = 0),
        ChunkError::Offset { expected, found: 0 }
    );
    assert_eq!(
        after_first(&|c| c.offset += 1),
        ChunkError::Offset {
            expected,
            found: expected + 1
        }
    );
    assert_eq!(
        after_first(&|c| c.offset = u32::MAX),
        ChunkError::Offset {
            expected,
            found: u32::MAX as usize
        }
    );
    assert_eq!(after_first(&|c| c.n = 8), ChunkError::OtherEnvelope);
    assert_eq!(
        after_first(&|c| c.feed = FeedId([2; 16])),
        ChunkError::OtherEnvelope
    );
    assert_eq!(after_first(&|c| c.total += 1), ChunkError::OtherEnvelope);
    assert_eq!(
        after_first(&|c| c.total = 0),
        ChunkError::Total { total: 0 }
    );
    assert_eq!(
        after_first(&|c| c.total = u32::MAX),
        ChunkError::Total {
            total: u32::MAX as usize
        }
    );
    assert_eq!(
        after_first(&|c| c.data = pieces[3].data.clone()),
        ChunkError::Data,
        "too short"
    );
    assert_eq!(after_first(&|c| c.data.truncate(9)), ChunkError::Data);
    assert_eq!(after_first(&|c| c.data.clear()), ChunkError::Data);

    let mut assembler = Assembler::new();
    let refused = assembler.accept(&pieces[1]);
    assert_eq!(
        refused,
        Err(ChunkError::Offset {
            expected: 0,
            found: expected
        })
    );
}

#[test]
fn a_bomb_does_not_unpack_beyond_one_chunk() {
    let bomb = zstd::bulk::compress(&vec![0; 50_000_000], 1).unwrap();
    assert!(bomb.len() < limits::CHUNK_SENT);
    let chunk = Chunk {
        feed: FEED,
        n: 1,
        total: 8 * 1024 * 1024,
        offset: 0,
        data: bomb,
    };
    let measured = allocation_counter::measure(|| {
        assert_eq!(Assembler::new().accept(&chunk), Err(ChunkError::Data));
    });
    assert!(
        measured.bytes_max < 256 * 1024,
        "{} bytes",
        measured.bytes_max
    );
}

#[test]
fn memory_grows_with_what_was_received() {
    let bytes = noise(limits::ENVELOPE);
    let mut assembler = Assembler::new();
    assembler
        .accept(&Chunker::new(FEED, 1, &bytes).unwrap().next().unwrap())
        .unwrap();
    assert!(assembler.held_bytes() <= 2 * limits::CHUNK);
    assert_eq!(
        Chunker::new(FEED, 1, &[]).err(),
        Some(ChunkError::Total { total: 0 })
    );
    let long = vec![0; limits::ENVELOPE + 1];
    assert!(matches!(
        Chunker::new(FEED, 1, &long),
        Err(ChunkError::Total { .. })
    ));
    assert!(matches!(
        Chunker::resume(FEED, 1, &bytes, 5),
        Err(ChunkError::Offset { .. })
    ));
}

proptest! {
    #[test]
    fn any_chunks_in_any_order_never_panic(
        pieces in prop::collection::vec(
            (0_u8..2, 0_u64..2, 0_u32..200_000, 0_u32..3, prop::collection::vec(any::<u8>(), 0..40)), 0..12),
    ) {
        let mut assembler = Assembler::new();
        for (feed, n, total, step, data) in pieces {
            let offset = step * 61_440;
            let chunk = Chunk { feed: FeedId([feed; 16]), n, total, offset, data };
            let _ = assembler.accept(&chunk);
            prop_assert!(assembler.held_bytes() <= 200_000);
        }
    }
}
