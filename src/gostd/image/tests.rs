//! Golden values: github.com/distribution/reference v0.6.0, put together as Kyverno 1.18.1 does.

use super::*;

/// Image; registry, name, path, tag, digest, reference and reference with tag, or the error.
type Row<'a> = (&'a str, Result<[&'a str; 7], &'a str>);

#[rustfmt::skip]
const DEFAULT: &[Row<'_>] = &[
    ("nginx", Ok(["docker.io", "nginx", "nginx", "latest", "", "docker.io/nginx:latest", "docker.io/nginx:latest"])),
    ("nginx:1.2", Ok(["docker.io", "nginx", "nginx", "1.2", "", "docker.io/nginx:1.2", "docker.io/nginx:1.2"])),
    ("nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", Ok(["docker.io", "nginx", "nginx", "", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "docker.io/nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "docker.io/nginx:"])),
    ("nginx:1.2@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", Ok(["docker.io", "nginx", "nginx", "1.2", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "docker.io/nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "docker.io/nginx:1.2"])),
    ("library/nginx", Ok(["docker.io", "nginx", "library/nginx", "latest", "", "docker.io/library/nginx:latest", "docker.io/library/nginx:latest"])),
    ("ghcr.io/a/b", Ok(["ghcr.io", "b", "a/b", "latest", "", "ghcr.io/a/b:latest", "ghcr.io/a/b:latest"])),
    ("ghcr.io/a/b:v1", Ok(["ghcr.io", "b", "a/b", "v1", "", "ghcr.io/a/b:v1", "ghcr.io/a/b:v1"])),
    ("localhost/a", Ok(["localhost", "a", "a", "latest", "", "localhost/a:latest", "localhost/a:latest"])),
    ("localhost:5000/a:b", Ok(["localhost:5000", "a", "a", "b", "", "localhost:5000/a:b", "localhost:5000/a:b"])),
    ("reg:5000/a/b", Ok(["reg:5000", "b", "a/b", "latest", "", "reg:5000/a/b:latest", "reg:5000/a/b:latest"])),
    ("Reg/a", Ok(["Reg", "a", "a", "latest", "", "Reg/a:latest", "Reg/a:latest"])),
    ("REG.io/a", Ok(["REG.io", "a", "a", "latest", "", "REG.io/a:latest", "REG.io/a:latest"])),
    ("a/B", Err("bad image: docker.io/a/B, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: repository name must be lowercase")),
    ("", Err("bad image: docker.io/, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("/", Err("bad image: docker.io//, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a/", Err("bad image: docker.io/a/, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a//b", Err("bad image: docker.io/a//b, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("/a", Err("bad image: docker.io//a, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a:", Err("bad image: docker.io/a:, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a@", Err("bad image: docker.io/a@, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a:b:c", Err("bad image: docker.io/a:b:c, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a:b/c", Err("bad image: a:b/c, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("test_user/nginx", Ok(["docker.io", "nginx", "test_user/nginx", "latest", "", "docker.io/test_user/nginx:latest", "docker.io/test_user/nginx:latest"])),
    ("my_org/x/y:1", Ok(["docker.io", "y", "my_org/x/y", "1", "", "docker.io/my_org/x/y:1", "docker.io/my_org/x/y:1"])),
    ("a__b/c", Ok(["docker.io", "c", "a__b/c", "latest", "", "docker.io/a__b/c:latest", "docker.io/a__b/c:latest"])),
    ("a___b", Err("bad image: docker.io/a___b, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a..b", Err("bad image: docker.io/a..b, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a._b", Err("bad image: docker.io/a._b, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a-b", Ok(["docker.io", "a-b", "a-b", "latest", "", "docker.io/a-b:latest", "docker.io/a-b:latest"])),
    ("a--b", Ok(["docker.io", "a--b", "a--b", "latest", "", "docker.io/a--b:latest", "docker.io/a--b:latest"])),
    ("a-", Err("bad image: docker.io/a-, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("-a", Err("bad image: docker.io/-a, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a.b", Ok(["docker.io", "a.b", "a.b", "latest", "", "docker.io/a.b:latest", "docker.io/a.b:latest"])),
    ("a.b/c", Ok(["a.b", "c", "c", "latest", "", "a.b/c:latest", "a.b/c:latest"])),
    ("a.b.c/d:e", Ok(["a.b.c", "d", "d", "e", "", "a.b.c/d:e", "a.b.c/d:e"])),
    ("127.0.0.1/x", Ok(["127.0.0.1", "x", "x", "latest", "", "127.0.0.1/x:latest", "127.0.0.1/x:latest"])),
    ("127.0.0.1:80/x", Ok(["127.0.0.1:80", "x", "x", "latest", "", "127.0.0.1:80/x:latest", "127.0.0.1:80/x:latest"])),
    ("[::1]/x", Ok(["[::1]", "x", "x", "latest", "", "[::1]/x:latest", "[::1]/x:latest"])),
    ("[::1]:80/x:y", Ok(["[::1]:80", "x", "x", "y", "", "[::1]:80/x:y", "[::1]:80/x:y"])),
    ("[::1:80/x", Err("bad image: [::1:80/x, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("[]/x", Err("bad image: docker.io/[]/x, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a.-b/x", Err("bad image: a.-b/x, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a-/x", Err("bad image: docker.io/a-/x, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a:80x/y", Err("bad image: a:80x/y, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("nginx:tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt", Ok(["docker.io", "nginx", "nginx", "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt", "", "docker.io/nginx:tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt", "docker.io/nginx:tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"])),
    ("nginx:ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt", Err("bad image: docker.io/nginx:ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Ok(["docker.io", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "latest", "", "docker.io/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:latest", "docker.io/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:latest"])),
    ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Err("bad image: docker.io/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: repository name must not be more than 255 characters")),
    ("nginx:-a", Err("bad image: docker.io/nginx:-a, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("nginx:.a", Err("bad image: docker.io/nginx:.a, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("nginx:_a", Ok(["docker.io", "nginx", "nginx", "_a", "", "docker.io/nginx:_a", "docker.io/nginx:_a"])),
    ("nginx:a.b-c_d", Ok(["docker.io", "nginx", "nginx", "a.b-c_d", "", "docker.io/nginx:a.b-c_d", "docker.io/nginx:a.b-c_d"])),
    ("nginx:é", Err("bad image: docker.io/nginx:é, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("é", Err("bad image: docker.io/é, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("nginx@sha256:abc", Err("bad image: docker.io/nginx@sha256:abc, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("nginx@sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Err("bad image: docker.io/nginx@sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid checksum digest format")),
    ("nginx@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Err("bad image: docker.io/nginx@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid checksum digest length")),
    ("nginx@sha512:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Ok(["docker.io", "nginx", "nginx", "", "sha512:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "docker.io/nginx@sha512:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "docker.io/nginx:"])),
    ("nginx@md5:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Err("bad image: docker.io/nginx@md5:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: unsupported digest algorithm")),
    ("nginx@Sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Err("bad image: docker.io/nginx@Sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid checksum digest format")),
    ("nginx@sha256+b64:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Err("bad image: docker.io/nginx@sha256+b64:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: unsupported digest algorithm")),
    ("nginx@a--b:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Err("bad image: docker.io/nginx@a--b:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("nginx@1a:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Err("bad image: docker.io/nginx@1a:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a@b@c", Err("bad image: docker.io/a@b@c, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("NGINX", Err("bad image: docker.io/NGINX, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: repository name must be lowercase")),
    ("Nginx:1", Err("bad image: docker.io/Nginx:1, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: repository name must be lowercase")),
    ("ghcr.io/Foo/bar", Err("bad image: ghcr.io/Foo/bar, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: repository name must be lowercase")),
    ("nginx ", Err("bad image: docker.io/nginx , defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("ng inx", Err("bad image: docker.io/ng inx, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("{{ image }}", Err("bad image: docker.io/{{ image }}, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a/b/c/d:e", Ok(["docker.io", "d", "a/b/c/d", "e", "", "docker.io/a/b/c/d:e", "docker.io/a/b/c/d:e"])),
    ("docker.io/nginx", Ok(["docker.io", "nginx", "nginx", "latest", "", "docker.io/nginx:latest", "docker.io/nginx:latest"])),
    ("docker.io/library/nginx:latest", Ok(["docker.io", "nginx", "library/nginx", "latest", "", "docker.io/library/nginx:latest", "docker.io/library/nginx:latest"])),
    ("k8s.gcr.io/pause:3.2", Ok(["k8s.gcr.io", "pause", "pause", "3.2", "", "k8s.gcr.io/pause:3.2", "k8s.gcr.io/pause:3.2"])),
    ("gcr.io:443/x", Ok(["gcr.io:443", "x", "x", "latest", "", "gcr.io:443/x:latest", "gcr.io:443/x:latest"])),
    ("x.y/a_b/c", Ok(["x.y", "c", "a_b/c", "latest", "", "x.y/a_b/c:latest", "x.y/a_b/c:latest"])),
    ("nginx:latest@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", Ok(["docker.io", "nginx", "nginx", "latest", "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "docker.io/nginx@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "docker.io/nginx:latest"])),
];

/// With the default registry hidden.
#[rustfmt::skip]
const HIDDEN: &[Row<'_>] = &[
    ("nginx", Ok(["", "nginx", "nginx", "latest", "", "nginx:latest", "nginx:latest"])),
    ("nginx:1.2", Ok(["", "nginx", "nginx", "1.2", "", "nginx:1.2", "nginx:1.2"])),
    ("nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", Ok(["", "nginx", "nginx", "", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "nginx:"])),
    ("nginx:1.2@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", Ok(["", "nginx", "nginx", "1.2", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "nginx:1.2"])),
    ("library/nginx", Ok(["", "nginx", "library/nginx", "latest", "", "library/nginx:latest", "library/nginx:latest"])),
    ("ghcr.io/a/b", Ok(["ghcr.io", "b", "a/b", "latest", "", "ghcr.io/a/b:latest", "ghcr.io/a/b:latest"])),
    ("ghcr.io/a/b:v1", Ok(["ghcr.io", "b", "a/b", "v1", "", "ghcr.io/a/b:v1", "ghcr.io/a/b:v1"])),
    ("localhost/a", Ok(["localhost", "a", "a", "latest", "", "localhost/a:latest", "localhost/a:latest"])),
    ("localhost:5000/a:b", Ok(["localhost:5000", "a", "a", "b", "", "localhost:5000/a:b", "localhost:5000/a:b"])),
    ("reg:5000/a/b", Ok(["reg:5000", "b", "a/b", "latest", "", "reg:5000/a/b:latest", "reg:5000/a/b:latest"])),
    ("Reg/a", Ok(["Reg", "a", "a", "latest", "", "Reg/a:latest", "Reg/a:latest"])),
    ("REG.io/a", Ok(["REG.io", "a", "a", "latest", "", "REG.io/a:latest", "REG.io/a:latest"])),
    ("a/B", Err("bad image: docker.io/a/B, defaultRegistry: docker.io, enableDefaultRegistryMutation: false: repository name must be lowercase")),
    ("", Err("bad image: docker.io/, defaultRegistry: docker.io, enableDefaultRegistryMutation: false: invalid reference format")),
    ("/", Err("bad image: docker.io//, defaultRegistry: docker.io, enableDefaultRegistryMutation: false: invalid reference format")),
    ("a/", Err("bad image: docker.io/a/, defaultRegistry: docker.io, enableDefaultRegistryMutation: false: invalid reference format")),
    ("a//b", Err("bad image: docker.io/a//b, defaultRegistry: docker.io, enableDefaultRegistryMutation: false: invalid reference format")),
    ("/a", Err("bad image: docker.io//a, defaultRegistry: docker.io, enableDefaultRegistryMutation: false: invalid reference format")),
    ("a:", Err("bad image: docker.io/a:, defaultRegistry: docker.io, enableDefaultRegistryMutation: false: invalid reference format")),
    ("a@", Err("bad image: docker.io/a@, defaultRegistry: docker.io, enableDefaultRegistryMutation: false: invalid reference format")),
    ("a:b:c", Err("bad image: docker.io/a:b:c, defaultRegistry: docker.io, enableDefaultRegistryMutation: false: invalid reference format")),
    ("a:b/c", Err("bad image: a:b/c, defaultRegistry: docker.io, enableDefaultRegistryMutation: false: invalid reference format")),
    ("test_user/nginx", Ok(["test_user", "nginx", "nginx", "latest", "", "test_user/nginx:latest", "test_user/nginx:latest"])),
    ("my_org/x/y:1", Ok(["my_org", "y", "x/y", "1", "", "my_org/x/y:1", "my_org/x/y:1"])),
    ("a__b/c", Ok(["a__b", "c", "c", "latest", "", "a__b/c:latest", "a__b/c:latest"])),
];

/// With `my.reg:5000` as the default registry.
#[rustfmt::skip]
const OTHER: &[Row<'_>] = &[
    ("nginx", Ok(["my.reg:5000", "nginx", "nginx", "latest", "", "my.reg:5000/nginx:latest", "my.reg:5000/nginx:latest"])),
    ("nginx:1.2", Ok(["my.reg:5000", "nginx", "nginx", "1.2", "", "my.reg:5000/nginx:1.2", "my.reg:5000/nginx:1.2"])),
    ("nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", Ok(["my.reg:5000", "nginx", "nginx", "", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "my.reg:5000/nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "my.reg:5000/nginx:"])),
    ("nginx:1.2@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", Ok(["my.reg:5000", "nginx", "nginx", "1.2", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "my.reg:5000/nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "my.reg:5000/nginx:1.2"])),
    ("library/nginx", Ok(["my.reg:5000", "nginx", "library/nginx", "latest", "", "my.reg:5000/library/nginx:latest", "my.reg:5000/library/nginx:latest"])),
    ("ghcr.io/a/b", Ok(["ghcr.io", "b", "a/b", "latest", "", "ghcr.io/a/b:latest", "ghcr.io/a/b:latest"])),
    ("ghcr.io/a/b:v1", Ok(["ghcr.io", "b", "a/b", "v1", "", "ghcr.io/a/b:v1", "ghcr.io/a/b:v1"])),
    ("localhost/a", Ok(["localhost", "a", "a", "latest", "", "localhost/a:latest", "localhost/a:latest"])),
    ("localhost:5000/a:b", Ok(["localhost:5000", "a", "a", "b", "", "localhost:5000/a:b", "localhost:5000/a:b"])),
    ("reg:5000/a/b", Ok(["reg:5000", "b", "a/b", "latest", "", "reg:5000/a/b:latest", "reg:5000/a/b:latest"])),
    ("Reg/a", Ok(["Reg", "a", "a", "latest", "", "Reg/a:latest", "Reg/a:latest"])),
    ("REG.io/a", Ok(["REG.io", "a", "a", "latest", "", "REG.io/a:latest", "REG.io/a:latest"])),
    ("a/B", Err("bad image: my.reg:5000/a/B, defaultRegistry: my.reg:5000, enableDefaultRegistryMutation: true: repository name must be lowercase")),
    ("", Err("bad image: my.reg:5000/, defaultRegistry: my.reg:5000, enableDefaultRegistryMutation: true: invalid reference format")),
    ("/", Err("bad image: my.reg:5000//, defaultRegistry: my.reg:5000, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a/", Err("bad image: my.reg:5000/a/, defaultRegistry: my.reg:5000, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a//b", Err("bad image: my.reg:5000/a//b, defaultRegistry: my.reg:5000, enableDefaultRegistryMutation: true: invalid reference format")),
    ("/a", Err("bad image: my.reg:5000//a, defaultRegistry: my.reg:5000, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a:", Err("bad image: my.reg:5000/a:, defaultRegistry: my.reg:5000, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a@", Err("bad image: my.reg:5000/a@, defaultRegistry: my.reg:5000, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a:b:c", Err("bad image: my.reg:5000/a:b:c, defaultRegistry: my.reg:5000, enableDefaultRegistryMutation: true: invalid reference format")),
    ("a:b/c", Err("bad image: a:b/c, defaultRegistry: my.reg:5000, enableDefaultRegistryMutation: true: invalid reference format")),
    ("test_user/nginx", Ok(["my.reg:5000", "nginx", "test_user/nginx", "latest", "", "my.reg:5000/test_user/nginx:latest", "my.reg:5000/test_user/nginx:latest"])),
    ("my_org/x/y:1", Ok(["my.reg:5000", "y", "my_org/x/y", "1", "", "my.reg:5000/my_org/x/y:1", "my.reg:5000/my_org/x/y:1"])),
    ("a__b/c", Ok(["my.reg:5000", "c", "a__b/c", "latest", "", "my.reg:5000/a__b/c:latest", "my.reg:5000/a__b/c:latest"])),
];

fn check(table: &[Row<'_>], settings: &ImageSettings<'_>) {
    for (image, expected) in table {
        let found = ImageInfo::parse(image, settings);
        match (&found, expected) {
            (Ok(info), Ok(expected)) => {
                let fields = [
                    &info.registry,
                    &info.name,
                    &info.path,
                    &info.tag,
                    &info.digest,
                    &info.reference,
                    &info.reference_with_tag,
                ];
                assert_eq!(fields, expected.each_ref(), "{image:?}");
            }
            (Err(error), Err(expected)) => assert_eq!(error.to_string(), *expected, "{image:?}"),
            _ => panic!("{image:?}: found {found:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn images_are_read_as_kyverno_reads_them() {
    check(DEFAULT, &ImageSettings::default());
}

#[test]
fn the_default_registry_can_be_hidden() {
    check(HIDDEN, &ImageSettings { is_registry_mutation_enabled: false, ..ImageSettings::default() });
}

#[test]
fn the_default_registry_can_be_another() {
    check(OTHER, &ImageSettings { default_registry: "my.reg:5000", ..ImageSettings::default() });
}
