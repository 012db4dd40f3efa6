//! Replies that are forms (GitHub's default), read strictly.

use super::*;
use Undetermined::Opaque;

const NOT: Result<Tokens, Unreadable> = Err(Unreadable::NeitherJsonNorForm);

fn says(body: &str, expected: &Says) {
    match read(body) {
        Ok(tokens) => assert_eq!(Says::of(&tokens), *expected, "{body}"),
        Err(error) => panic!("{body}: {error:?}"),
    }
}

#[test]
fn a_form_is_read_like_json() {
    let opaque = Says::not_entra(Opaque);
    says(
        "access_token=gho_16C7e42F&scope=repo%2Cgist&token_type=bearer",
        &opaque,
    );
    says(
        "access_token=gho_16C7e42F&scope=&token_type=bearer\r\n",
        &opaque,
    );
    says("scope=repo,gist+x&ACCESS_TOKEN=y", &opaque);
    says("access_token=%67ho", &opaque);
    says(
        &format!("access_token={}&token_type=bearer", v2(B)),
        &Says::tenant(B),
    );
    says(
        &format!("id_token={}", v2(B).replace('.', "%2E")),
        &Says::tenant(B),
    );
    says(&format!("anything={}", v2(B)), &Says::tenant(B));
    says(
        &format!("u=https%3A%2F%2Fx%2F%23{}", v2(B)),
        &Says::tenant(B),
    );
    says(
        "error=bad_verification_code&error_description=The+code+is+incorrect.",
        &Says::error(),
    );
    says("error=&result=secret", &Says::nothing());
    says("access_token=&scope=", &Says::nothing());
    says("a=b", &Says::nothing());
}

#[test]
fn what_is_not_surely_a_form_is_refused() {
    for body in [
        "access_token=x&access_token=y",
        "access_token=x&Access_Token=y",
        "access_token=x&scope=a&scope=b",
        "access_token[]=x",
        "access%5Ftoken=x",
        "%61ccess_token=x",
        "access+token=x",
        "access_token",
        "=x",
        "&access_token=x",
        "access_token=x&",
        "access_token=x&&scope=y",
        "access_token=%zz",
        "access_token=%2",
        "access_token=%",
        "access_token=%ff",
        "access_token=%c0%af",
        "access_token=\u{e9}",
        " access_token=x",
        "access_token=a b",
        "access_token=a\nb=c",
        "access_token=<b>",
        "access_token=\"x\"",
        "x={}",
        "x=\0",
        "x=\u{7f}",
    ] {
        assert_eq!(read(body), NOT, "{body}");
    }
}
