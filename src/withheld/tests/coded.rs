//! Codings and character sets: what is inspected is what the client reads.

use super::*;

/// A coding and a character set under which the body is another text than the one inspected.
#[test]
fn what_cannot_be_inspected_is_refused_and_what_can_is_read() {
    let no = Err(Refusal::UpstreamEncoding);
    let yes = Ok(br#"{"a":1}"#.to_vec());
    let plain = br#"{"a":1}"#.to_vec();
    let packed = gzipped(&plain);
    let twice = [&*packed, &*packed].concat();
    let cut = packed[..packed.len() - 1].to_vec();
    let coding = |value: &'static str| vec![("content-encoding", value)];
    let media = |value: &'static str| vec![("content-type", value)];
    for (headers, body, expected) in [
        (vec![], &plain, &yes),
        (coding(""), &plain, &yes),
        (coding("identity"), &plain, &yes),
        (coding(" Identity "), &plain, &yes),
        (coding("gzip"), &packed, &yes),
        (coding("X-GZIP"), &packed, &yes),
        (coding("gzip"), &plain, &no),
        (coding("gzip"), &twice, &no),
        (coding("gzip"), &cut, &no),
        (coding("br"), &plain, &no),
        (coding("gzip, gzip"), &packed, &no),
        ([coding("identity"), coding("gzip")].concat(), &packed, &no),
        (media("application/json"), &plain, &yes),
        (media("application/json; charset=UTF-8"), &plain, &yes),
        (media("application/json;charset=\"utf-8\""), &plain, &yes),
        (media("application/json; charset=utf-16"), &plain, &no),
        (media("application/json; charset*=utf-8"), &plain, &no),
        (media("application/json; xcharset=utf-8"), &plain, &no),
        (media("application/json; charset"), &plain, &no),
        (media("a/b, application/json; charset=utf-7"), &plain, &no),
        (media("a/b; charset=utf-8; charset=utf-7"), &plain, &no),
        (media("text/\u{e9}"), &plain, &no),
        (
            [media("a/b"), media("a/b; charset=ebcdic")].concat(),
            &plain,
            &no,
        ),
    ] {
        let held = received(200, &headers, body.clone(), 1 << 20);
        assert_eq!(held.text().map(<[u8]>::to_vec), *expected, "{headers:?}");
    }
}

#[test]
fn a_reply_is_decoded_up_to_its_bound_and_no_further() {
    let headers = [("content-encoding", "gzip")];
    let text = vec![b' '; 1000];
    let read = |cap| {
        let held = received(200, &headers, gzipped(&text), cap);
        held.text().map(<[u8]>::len)
    };
    assert_eq!(read(1001), Ok(1000));
    assert_eq!(read(1000), Ok(1000));
    assert_eq!(read(999), Err(Refusal::UpstreamTooLarge));
    assert_eq!(read(0), Err(Refusal::UpstreamTooLarge));
    let nothing = received(200, &headers, vec![], 10);
    assert_eq!(nothing.text(), Ok(&b""[..]));
}
