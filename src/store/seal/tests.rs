use super::*;

#[test]
fn a_sealed_value_opens_under_its_own_key_only() {
    for value in [&b""[..], b"x", &[0u8; STATE_ROW_BYTES_MAX]] {
        let sealed = seal(b"key", value);
        assert!(sealed.chunks.is_empty());
        assert_eq!(open_record(b"key", &sealed.record), Ok(Record::Inline(value)));
        assert_eq!(open_record(b"kez", &sealed.record), Err(SealFault::Checksum));
        assert_eq!(open_record(b"", &sealed.record), Err(SealFault::Checksum));
    }
}

#[test]
fn every_flipped_bit_of_a_row_is_noticed() {
    let sealed = seal(b"some key", b"some value");
    for bit in 0..sealed.record.len() * 8 {
        let mut row = sealed.record.clone();
        row[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 8 { SealFault::Version } else { SealFault::Checksum };
        assert_eq!(open_record(b"some key", &row), Err(expected), "bit {bit}");
    }
}

#[test]
fn every_truncation_of_a_row_is_noticed() {
    let sealed = seal(b"k", b"value");
    for len in 0..sealed.record.len() {
        assert_eq!(open_record(b"k", &sealed.record[..len]), Err(SealFault::Checksum), "length {len}");
    }
    let mut longer = sealed.record;
    longer.push(0);
    assert_eq!(open_record(b"k", &longer), Err(SealFault::Checksum));
}

#[test]
fn a_long_value_is_split_into_rows_that_join_to_it_only() {
    let value: Vec<u8> = (0..=STATE_ROW_BYTES_MAX * 2).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let sealed = seal(b"k", &value);
    assert_eq!(sealed.chunks.len(), 3);
    let Ok(Record::Split(split)) = open_record(b"k", &sealed.record) else { panic!("not split") };
    assert_eq!(split.n_chunks, 3);
    let parts: Vec<&[u8]> = sealed.chunks.iter().map(|(key, row)| open_chunk(key, row).unwrap()).collect();
    assert!(split.is_whole(b"k", &parts.concat()));
    assert!(!split.is_whole(b"l", &parts.concat()));
    assert!(!split.is_whole(b"k", &parts[..2].concat()));
    assert!(!split.is_whole(b"k", &[parts[1], parts[0], parts[2]].concat()));
    let (first, second) = (&sealed.chunks[0], &sealed.chunks[1]);
    assert_eq!(open_chunk(&first.0, &second.1), Err(SealFault::Checksum), "a chunk in the other's place");
    assert_eq!(open_record(b"k", &first.1), Err(SealFault::Checksum), "a chunk as a record");
}

#[test]
fn chunk_keys_of_different_records_never_meet() {
    assert_ne!(chunk_key(b"a", 0), chunk_key(b"a", 1));
    assert_ne!(chunk_key(b"a", 0), chunk_key(b"a\0\0\0\0", 0));
    assert!(!chunk_key(b"a", 0).starts_with(&[RECORD_PREFIX]));
}

#[test]
fn limits_hold_exactly() {
    assert!(check_key(&vec![0; STATE_KEY_BYTES_MAX]).is_ok());
    assert!(matches!(
        check_key(&vec![0; STATE_KEY_BYTES_MAX + 1]),
        Err(StoreError::KeyTooLarge { bytes, limit }) if bytes == limit + 1
    ));
    assert!(check_value(&vec![0; STATE_VALUE_BYTES_MAX]).is_ok());
    assert!(matches!(
        check_value(&vec![0; STATE_VALUE_BYTES_MAX + 1]),
        Err(StoreError::ValueTooLarge { bytes, limit }) if bytes == limit + 1
    ));
}
