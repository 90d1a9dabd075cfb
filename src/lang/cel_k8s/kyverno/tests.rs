use super::*;
use crate::lang::cel::{Activation, Budget, EvalError, Key, Program, Value};

/// Answers with the function's name and its arguments' count.
struct Host(Environment);

impl<'d> Activation<'d> for Host {
    fn resolve(&self, slot: u16) -> Result<Value<'d>, EvalError> {
        let position = library_variables().position(|name| self.0.slot(name) == Some(slot));
        position.and_then(library_variable).ok_or(EvalError::Pending)
    }

    fn call_host(&self, function: &str, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
        let text = |text: &str| Value::string(text);
        let field = |key: &'static str, value| (Key::String(key.into()), value);
        if function == host::RESOURCE_PLURAL {
            return Ok(text("deployments"));
        }
        if function == host::HTTP_GET {
            return Err(EvalError::Pending);
        }
        let first = args.first().cloned().unwrap_or(Value::Null);
        Ok(Value::map(vec![
            field("function", text(function)),
            field("n", Value::Int(i64::try_from(args.len()).expect("few"))),
            field("first", first),
        ]))
    }
}

fn check(is_namespaced: bool, source: &str) -> Result<String, String> {
    let host = Host(policy_environment(is_namespaced));
    let program = Program::compile(&host.0, source).map_err(|errors| errors.to_string())?;
    let value = program.evaluate(&host, &Budget::default()).map_err(|error| error.message().into_owned())?;
    Ok(value.to_json().expect("JSON").to_string())
}

#[test]
fn functions_of_their_arguments() {
    for (source, wanted) in [
        ("md5('a')", "\"0cc175b9c0f1b6a831c399e269772661\""),
        ("hash.sha1('a')", "\"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8\""),
        ("hash.sha256('') == sha256('')", "true"),
        ("math.round(2.345, 2)", "2.35"),
        ("json.unmarshal('{\"a\": [1, null, \"x\"]}').a[0] == 1.0", "true"),
        (
            "json.marshal({'b': ['<'], 'a': ['x']})",
            "\"{\\\"a\\\":[\\\"x\\\"],\\\"b\\\":[\\\"\\\\u003c\\\"]}\"",
        ),
        ("yaml.parse('a: [1, x]').a[1]", "\"x\""),
        ("parseServiceAccount('system:serviceaccount:ns:name').Name", "\"name\""),
        ("user.parseServiceAccount('somebody').Namespace", "\"\""),
        ("listObjToMap([{'k': 'a'}], [{'v': 1}], 'k', 'v')", "{\"a\":1}"),
        ("time.toCron(timestamp('2024-02-29T12:30:00Z'))", "\"30 12 29 2 4\""),
        (
            "string(time.truncate(timestamp('2024-02-29T12:30:45Z'), duration('1h')))",
            "\"2024-02-29T12:00:00Z\"",
        ),
        ("{'a': 1}.?b.orValue('x')", "\"x\""),
        ("'given'.orValue('x')", "\"given\""),
        ("base64.encode(b'ab')", "\"YWI=\""),
        ("cel.bind(x, 2, x + 1)", "3"),
    ] {
        assert_eq!(check(false, source).as_deref(), Ok(wanted), "{source}");
    }
}

#[test]
fn image_references_are_parsed_without_a_registry() {
    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (image, registry, repository, tag, identifier) in [
        ("nginx", "index.docker.io", "library/nginx", "latest", ":latest"),
        ("docker.io/library/nginx:1.25", "index.docker.io", "library/nginx", "1.25", ":1.25"),
        ("ghcr.io/a/b:v1", "ghcr.io", "a/b", "v1", ":v1"),
        ("localhost:5000/a/b", "localhost:5000", "a/b", "latest", ":latest"),
    ] {
        let source = format!(
            "[image('{image}').registry(), parseImageReference('{image}').repository(), image('{image}').tag(),\
             image('{image}').identifierWithSeparator()]"
        );
        let wanted = format!("[\"{registry}\",\"{repository}\",\"{tag}\",\"{identifier}\"]");
        assert_eq!(check(false, &source), Ok(wanted), "{image}");
    }
    let source = format!("image('ghcr.io/a/b:v1@{DIGEST}').digest()");
    assert_eq!(check(false, &source), Ok(format!("\"{DIGEST}\"")));
    assert_eq!(check(false, &format!("image('a/b@{DIGEST}').containsDigest()")).as_deref(), Ok("true"));
    for wrong in ["", "A", "a", "ab:", "a b", "ab@sha256:1", "ab:!"] {
        assert_eq!(check(false, &format!("isImage('{wrong}')")).as_deref(), Ok("false"), "{wrong}");
    }
    assert_eq!(check(false, "image('A B').tag()"), Err("could not parse reference: A B".to_owned()));
}

#[test]
fn lookups_are_asked_of_the_surroundings() {
    for (source, wanted) in [
        ("resource.Get('v1', 'pods', 'ns', 'p').function", "\"resource.Get\""),
        ("resource.List('v1', 'pods', 'ns').n", "3"),
        ("resource.Get(resource.ToGVR('apps/v1', 'Deployment'), 'ns', 'p').first", "\"apps/v1\""),
        ("resource.Post('authorization.k8s.io/v1', 'subjectaccessreviews', {'a': 1}).n", "4"),
        ("resource.list(resource.toGVR('apps/v1', 'Deployment'), 'ns', {'a': 'b'}).n", "4"),
        ("http.Client('').Post('https://a', {'a': 1}, {'h': 'v'}).n", "4"),
        ("http.client('').put('https://a', [1]).function", "\"http.Put\""),
        ("globalContext.Get('entry', '').function", "\"globalContext.Get\""),
        ("globalContext.get('entry').n", "1"),
        ("image.GetMetadata('nginx').first", "\"nginx\""),
        ("image.getMetadata('nginx').function", "\"image.GetMetadata\""),
        ("generator.Apply('ns', [{'a': 1}])", "true"),
    ] {
        assert_eq!(check(false, source).as_deref(), Ok(wanted), "{source}");
    }
    assert!(check(true, "resource.Get('v1', 'pods', 'p').n == 3").is_ok());
    assert!(check(true, "resource.Get('v1', 'pods', 'ns', 'p').n == 3").is_err());
    assert_eq!(
        check(false, "http.Get('https://a').b == 1 || true"),
        Err(EvalError::Pending.message().into_owned())
    );
}

#[test]
fn exceptions_have_two_lists() {
    assert!(
        check(false, "exceptions.allowedImages.size() >= 0 || true")
            .is_err_and(|text| !text.contains("ERROR"))
    );
    assert!(check(false, "exceptions.nothing").is_err_and(|text| text.contains("undefined field 'nothing'")));
}

const PEM_KEY: &str = include_str!("testdata/rsa.pem");
const PEM_CURVE: &str = include_str!("testdata/ecdsa.pem");
const PEM_REQUEST: &str = include_str!("testdata/request.pem");
/// 17 MB of nothing, zipped, in base64.
const BOMB: &str = include_str!("testdata/bomb.txt");

#[test]
fn json_is_written_as_go_writes_it() {
    for (source, wanted) in [
        ("json.marshal(null)", "null"),
        ("json.marshal([1, 2])", "[1,2]"),
        ("json.marshal({'b': dyn(1), 'a': dyn({'d': 2, 'c': 3})})", r#"{"a":{"c":3,"d":2},"b":1}"#),
        ("json.marshal([1.0, 1.5, 1e21, 1e-7])", "[1,1.5,1e+21,1e-7]"),
        (r#"json.marshal('<a & "b">')"#, r#""\u003ca \u0026 \"b\"\u003e""#),
        (r"json.marshal('é\u2028')", r#""é\u2028""#),
        ("json.marshal(18446744073709551615u)", "18446744073709551615"),
        ("json.marshal(b'ab')", r#""YWI=""#),
        ("json.marshal(duration('1s'))", "1000000000"),
        ("json.marshal(timestamp('2024-01-02T03:04:05Z'))", r#""2024-01-02T03:04:05Z""#),
        (r#"json.marshal(json.unmarshal('{"a":[1,2.5,true,null,"x"]}'))"#, r#"{"a":[1,2.5,true,null,"x"]}"#),
        (
            r"json.marshal(yaml.parse('a: 1\nb: [x, 2.0]\nc: {d: null}'))",
            r#"{"a":1,"b":["x",2],"c":{"d":null}}"#,
        ),
    ] {
        let wanted = serde_json::to_string(wanted).expect("JSON");
        assert_eq!(check(false, source), Ok(wanted), "{source}");
    }
    let no_text =
        "json: failed to convert CEL map to native map: unsupported type conversion from 'int' to string";
    assert_eq!(check(false, "json.marshal({1: 'a'})"), Err(no_text.to_owned()));
    assert_eq!(check(false, "json.marshal(1.0 / 0.0)"), Err("json: unsupported value: +Inf".to_owned()));
    for broken in ["json.unmarshal('{')", "json.unmarshal('')", "yaml.parse('a: [')"] {
        assert!(check(false, broken).is_err(), "{broken}");
    }
    assert_eq!(check(false, "json.unmarshal('1') + 1.0").as_deref(), Ok("2.0"));
}

#[test]
fn numbers_times_users_and_maps() {
    for (source, wanted) in [
        ("math.round(2.5, 0)", "3.0"),
        ("math.round(-2.5, 0)", "-3.0"),
        ("math.round(1234.5, -2)", "1200.0"),
        ("time.toCron(timestamp('2024-02-25T23:05:00Z'))", r#""5 23 25 2 0""#),
        (
            "string(time.truncate(timestamp('2024-02-29T12:30:45.5Z'), duration('0s')))",
            r#""2024-02-29T12:30:45.5Z""#,
        ),
        (
            "string(time.truncate(timestamp('2024-02-29T12:30:45.5Z'), duration('1s')))",
            r#""2024-02-29T12:30:45Z""#,
        ),
        ("listObjToMap([], [], 'k', 'v')", "{}"),
        ("listObjToMap([{'k': 'a'}], [{'other': 1}], 'k', 'v')", r#"{"a":null}"#),
        ("transform.listObjToMap([{'k': 'a'}, {'k': 'a'}], [{'v': 1}, {'v': 2}], 'k', 'v')", r#"{"a":2}"#),
        ("parseServiceAccount('system:serviceaccount:ns').Name", r#""""#),
        ("parseServiceAccount('system:serviceaccount:a:b:c').Name", r#""b:c""#),
        ("user.parseServiceAccount('system:serviceaccount:a:b').Namespace", r#""a""#),
    ] {
        assert_eq!(check(false, source).as_deref(), Ok(wanted), "{source}");
    }
    for (source, error) in [
        (
            "listObjToMap([{'k': 'a'}], [], 'k', 'v')",
            "listObjToMap must take lists of equal length. list1: 1, list2: 0",
        ),
        (
            "listObjToMap([{'k': 1}], [{'v': 1}], 'k', 'v')",
            "the passed key name cannot be handled as a string in the key object list",
        ),
        (
            "listObjToMap([{'k': 'a'}], [1], 'k', 'v')",
            "object cannot be handled as a map string to any in the value object list",
        ),
    ] {
        assert_eq!(check(false, source), Err(error.to_owned()), "{source}");
    }
}

#[test]
fn gzip_is_undone_but_for_bombs() {
    for (source, wanted) in [
        ("gzip.decompress(gzip.compress('some text'))", r#""some text""#),
        ("gzip.decompress(gzip.compress(''))", r#""""#),
        // What the program `gzip` makes of it.
        ("gzip.decompress(base64.decode('H4sIAAAAAAAAAytILCnKzwEAcSP7CwYAAAA='))", r#""patrol""#),
    ] {
        assert_eq!(check(false, source).as_deref(), Ok(wanted), "{source}");
    }
    assert_eq!(check(false, "gzip.decompress(b'')"), Err("EOF".to_owned()));
    assert_eq!(check(false, "gzip.decompress(b'not gzip at all')"), Err("gzip: invalid header".to_owned()));
    let bomb = format!("gzip.decompress(base64.decode('{}'))", BOMB.trim());
    assert!(check(false, &bomb).is_err_and(|error| error.contains("or longer than")));
}

#[test]
fn certificates_show_the_fields_that_kyverno_shows() {
    let decode = |pem: &str, rest: &str| check(false, &format!("x509.decode('''{pem}'''){rest}"));
    assert_eq!(decode(PEM_KEY, ".Issuer.CommonName").as_deref(), Ok(r#""patrol.test""#));
    assert_eq!(decode(PEM_KEY, ".DNSNames").as_deref(), Ok(r#"["a.patrol.test","b.patrol.test"]"#));
    assert_eq!(decode(PEM_KEY, ".PublicKey.E + 0.5").as_deref(), Ok("65537.5"));
    assert_eq!(decode(PEM_KEY, ".PublicKey.N.size() > 300").as_deref(), Ok("true"));
    assert_eq!(decode(PEM_KEY, ".IsCA").as_deref(), Ok("false"));
    assert_eq!(decode(PEM_KEY, ".NotAfter.startsWith('20')").as_deref(), Ok("true"));
    // A field that JMESPath's `x509_decode` has.
    assert_eq!(decode(PEM_KEY, ".Subject"), Err("no such key: Subject".to_owned()));
    assert_eq!(decode(PEM_REQUEST, ".Subject.CommonName").as_deref(), Ok(r#""request.patrol.test""#));
    assert_eq!(decode(PEM_CURVE, ""), Err("certificate should use rsa algorithm".to_owned()));
    assert_eq!(decode("nothing", ""), Err("failed to decode PEM block".to_owned()));
    let key = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let neither = "PEM block neither contains a CERTIFICATE or CERTIFICATE REQUEST";
    assert_eq!(decode(key, ""), Err(neither.to_owned()));
    let client = |pem: &str| check(false, &format!("http.Client('''{pem}''').Post('https://a', 1).n"));
    assert_eq!(client(PEM_CURVE).as_deref(), Ok("3"));
    let refused = "request failed: failed to parse PEM CA bundle for APICall";
    assert_eq!(client("nothing"), Err(refused.to_owned()));
}
