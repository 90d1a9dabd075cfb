use super::*;
use crate::lang::cel::{Activation, Budget, EvalError, Key, Program, Value};

/// Answers with the function's name and its arguments' count.
struct Host(Environment);

impl<'d> Activation<'d> for Host {
    fn resolve(&self, slot: u16) -> Result<Value<'d>, EvalError> {
        let names = ["resource", "globalContext", "http", "image", "generator", "json", "yaml"];
        let name = names.into_iter().find(|name| self.0.slot(name) == Some(slot));
        name.and_then(library_variable).ok_or(EvalError::Pending)
    }

    fn call_host(&self, function: &str, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
        let text = |text: &str| Value::string(text);
        let field = |key: &'static str, value| (Key::String(key.into()), value);
        if function == host::RESOURCE_TO_GVR {
            let fields = vec![
                field("group", text("apps")),
                field("version", text("v1")),
                field("resource", text("d")),
            ];
            return Ok(Value::map(fields));
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
        ("resource.Post('authorization.k8s.io/v1', 'subjectaccessreviews', {'a': 1}).n", "3"),
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
fn variables_over_two_names_are_not_known() {
    assert!(check(false, "[1].all(i, v, i < v)").is_err());
    assert!(
        check(false, "exceptions.allowedImages.size() >= 0 || true")
            .is_err_and(|text| !text.contains("ERROR"))
    );
    assert!(check(false, "exceptions.nothing").is_err_and(|text| text.contains("undefined field 'nothing'")));
}
