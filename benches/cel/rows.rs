//! The expressions that are measured. The first six are the table that the bounds were stated for; the others
//! touch what policies use besides.

/// One expression over `deployment.json`, which has three containers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) expression: &'static str,
    /// Names below `variables`, computed anew for each evaluation.
    pub(crate) variables: &'static [(&'static str, &'static str)],
    /// Whether it only reads and compares, and so must not allocate.
    pub(crate) only_reads: bool,
}

const fn reading(name: &'static str, expression: &'static str) -> Row {
    Row { name, expression, variables: &[], only_reads: true }
}

const fn computing(name: &'static str, expression: &'static str) -> Row {
    Row { name, expression, variables: &[], only_reads: false }
}

pub(crate) const ROWS: &[Row] = &[
    reading("a field and a number", "object.spec.replicas <= 5"),
    reading(
        "`all` over containers, `has`",
        "object.spec.template.spec.containers.all(c, has(c.resources) && has(c.resources.limits) && \
         has(c.resources.limits.memory) && has(c.resources.limits.cpu))",
    ),
    reading(
        "`exists`, `endsWith`, `contains`",
        "!object.spec.template.spec.containers.exists(c, c.image.endsWith(':latest') || !c.image.contains(':'))",
    ),
    reading(
        "labels, `matches` with a constant",
        "has(object.metadata.labels) && 'app.kubernetes.io/name' in object.metadata.labels && \
         object.metadata.labels['app.kubernetes.io/name'].matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    ),
    reading(
        "optional fields, present",
        "object.spec.template.spec.?securityContext.?runAsNonRoot.orValue(false)",
    ),
    reading("optional fields, absent", "object.spec.template.spec.?dnsConfig.?options.orValue(false)"),
    reading("`has` and a conditional", "has(object.spec.paused) ? !object.spec.paused : true"),
    reading("a constant list", "object.spec.strategy.type in ['RollingUpdate', 'Recreate']"),
    reading(
        "arithmetic",
        "object.spec.replicas * 2 + 1 > 3 && object.spec.replicas % 2 == 1 && object.spec.replicas - 1 < 10",
    ),
    reading(
        "an index",
        "object.spec.template.spec.containers[2].name == 'logs' && object['metadata']['namespace'] != 'default'",
    ),
    reading(
        "equal maps",
        "object.spec.selector.matchLabels == {'app.kubernetes.io/name': 'web-frontend'} && \
         object.spec.template.metadata.labels != object.spec.selector.matchLabels",
    ),
    reading(
        "optional fields of containers",
        "object.spec.template.spec.containers.all(c, \
         c.?securityContext.?allowPrivilegeEscalation.orValue(true) == false && \
         c.?securityContext.?privileged.orValue(false) == false)",
    ),
    reading(
        "nested quantifiers",
        "object.spec.template.spec.containers.all(c, c.?ports.orValue([]).all(p, p.containerPort > 1024)) && \
         object.spec.template.spec.containers.all(c, c.securityContext.capabilities.drop.exists(d, d == 'ALL'))",
    ),
    reading("`exists_one`", "object.spec.template.spec.containers.exists_one(c, c.name == 'proxy')"),
    reading(
        "two variables, a map",
        "object.metadata.labels.all(k, v, k.size() <= 63 && v.size() <= 63 && v != '')",
    ),
    reading(
        "two variables, a list",
        "object.spec.template.spec.containers.exists(i, c, i > 1 && c.name == 'logs')",
    ),
    reading(
        "sizes and prefixes",
        "object.metadata.name.startsWith('web') && object.metadata.name.size() <= 63 && \
         size(object.spec.template.spec.containers) < 10",
    ),
    reading(
        "`isSorted`, `sets.contains`",
        "['a', 'b', 'c'].isSorted() && sets.contains(['ALL', 'NET_RAW'], \
         object.spec.template.spec.containers[2].securityContext.capabilities.drop)",
    ),
    computing(
        "string functions",
        "object.metadata.name.upperAscii() == 'WEB-FRONTEND' && object.metadata.name.split('-').size() == 2 && \
         object.metadata.name.substring(0, 3) == 'web' && object.metadata.name.replace('-', '_') != ''",
    ),
    computing(
        "a message",
        "'Deployment ' + object.metadata.name + ' has ' + string(object.spec.replicas) + ' replicas'",
    ),
    computing("`format`", "'%s has %d replicas'.format([object.metadata.name, object.spec.replicas])"),
    computing(
        "`filter` and `map`",
        "object.spec.template.spec.containers.filter(c, c.image.startsWith('registry.example.com/'))\
         .map(c, c.name).join(',') == 'web,proxy,logs'",
    ),
    computing(
        "`transformMap`",
        "object.metadata.labels.transformMap(k, v, k.startsWith('app.'), v.size()).size() == 2",
    ),
    Row {
        name: "variables",
        expression: "variables.containers.all(c, c.image.startsWith('registry.example.com/')) && \
                     variables.containers.size() < variables.limit",
        variables: &[
            (
                "containers",
                "object.spec.template.spec.containers + object.spec.template.spec.?initContainers.orValue([])",
            ),
            ("limit", "object.spec.replicas * 4"),
        ],
        only_reads: false,
    },
    computing(
        "quantities",
        "object.spec.template.spec.containers.all(c, \
         quantity(c.resources.limits.memory).isLessThan(quantity('2Gi')) && \
         quantity(c.resources.requests.cpu).compareTo(quantity(c.resources.limits.cpu)) < 0)",
    ),
    computing(
        "addresses",
        "cidr('10.0.0.0/8').containsIP(object.metadata.annotations['example.com/address']) && \
         ip(object.metadata.annotations['example.com/address']).family() == 4",
    ),
    computing(
        "regular expressions",
        "object.metadata.name.find('[a-z]+$') == 'frontend' && \
         object.metadata.name.matches(object.metadata.annotations['example.com/pattern'])",
    ),
    computing(
        "versions",
        "semver(object.metadata.labels['app.kubernetes.io/version']).isGreaterThan(semver('1.9.9'))",
    ),
    computing(
        "time",
        "duration(object.metadata.annotations['example.com/max-age']) <= duration('24h') && \
         timestamp(object.metadata.creationTimestamp).getFullYear() == 2025",
    ),
];
