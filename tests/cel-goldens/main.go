// Command cel-goldens evaluates a table of expressions over documents with the API server's own CEL environment and prints the outcomes as
// JSON lines. `go run . > results.jsonl` regenerates the committed results.
//
// A line of table.txt is one expression; `<<a||b>>` stands for each of the alternatives in turn. An expression that names `object` is
// evaluated over every document of documents.json, any other once. `-plain FILE` reads other expressions, one a line and without alternatives, and
// leaves out what depends on the order in which Go happens to walk a map.
// `bench` measures instead; see there.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
)

type row struct {
	Expression string  `json:"e"`
	Document   *string `json:"d,omitempty"`
	Compile    string  `json:"compile,omitempty"`
	Type       string  `json:"type,omitempty"`
	Value      string  `json:"v,omitempty"`
	Error      string  `json:"error,omitempty"`
	Cost       *uint64 `json:"cost,omitempty"`
	unsteady   bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "bench" {
		bench()
		return
	}
	env := newEnv()
	documents, names := readDocuments("documents.json")
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	seen := map[string]bool{}
	expressions := []string{}
	plain := len(os.Args) > 2 && os.Args[1] == "-plain"
	if plain {
		data, err := os.ReadFile(os.Args[2])
		must(err)
		expressions = strings.Split(string(data), "\n")
	} else {
		expressions = readTable("table.txt")
	}
	var unsteady int
	for _, expression := range expressions {
		if seen[expression] {
			continue
		}
		seen[expression] = true
		for _, r := range evaluate(env, expression, documents, names, repeats(plain, expression)) {
			if r.unsteady {
				unsteady++
				continue
			}
			must(out.Encode(r))
		}
	}
	if len(panics) > 0 {
		fmt.Fprintf(os.Stderr, "left out, as the real code panics: %d expressions, such as %s\n", len(panics), panics[0])
	}
	if unsteady > 0 {
		fmt.Fprintf(os.Stderr, "left out, as the real code says now this, now that: %d rows\n", unsteady)
	}
}

// repeats says how often an expression is evaluated: one that may walk or print a map of the object so often that each order has most likely come,
// as Go starts at one of eight places.
func repeats(plain bool, expression string) int {
	if plain && strings.Contains(expression, "object") {
		return 120
	}
	return 1
}

func newEnv() *cel.Env {
	set := environment.MustBaseEnvSet(version.MajorMinor(1, 36))
	extended, err := set.Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions: []cel.EnvOption{
			cel.Variable("object", cel.DynType),
			cel.Variable("authorizer", library.AuthorizerType),
			library.JSONPatch(),
		},
	}, environment.StrictCostOpt)
	must(err)
	env, err := extended.Env(environment.NewExpressions)
	must(err)
	return env
}

// panics lists the expressions at which the real code panics.
var panics []string

func evaluate(env *cel.Env, expression string, documents map[string]any, names []string, times int) (rows []row) {
	defer func() {
		if recovered := recover(); recovered != nil {
			panics = append(panics, fmt.Sprintf("%s: %v", expression, recovered))
			rows = nil
		}
	}()
	ast, issues := env.Compile(expression)
	if issues != nil && issues.Err() != nil {
		return []row{{Expression: expression, Compile: issues.String()}}
	}
	program, err := env.Program(ast)
	if err != nil {
		return []row{{Expression: expression, Compile: "program instantiation failed: " + err.Error()}}
	}
	kind := ast.OutputType().String()
	if !strings.Contains(expression, "object") {
		return []row{run(program, expression, kind, nil, nil)}
	}
	for _, name := range names {
		first := run(program, expression, kind, &name, documents[name])
		for at := 1; at < times && !first.unsteady; at++ {
			again := run(program, expression, kind, &name, documents[name])
			first.unsteady = again.Value != first.Value || again.Error != first.Error
		}
		rows = append(rows, first)
	}
	return rows
}

func run(program cel.Program, expression, kind string, name *string, document any) row {
	activation := map[string]any{
		"object":     document,
		"authorizer": library.NewAuthorizerVal(&user.DefaultInfo{Name: ""}, denyAll{}),
	}
	value, details, err := program.ContextEval(context.Background(), activation)
	r := row{Expression: expression, Document: name, Type: kind}
	if err != nil {
		r.Error = err.Error()
	} else {
		r.Value = print(value)
	}
	if details != nil {
		r.Cost = details.ActualCost()
	}
	return r
}

type denyAll struct{}

func (denyAll) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	return authorizer.DecisionNoOpinion, "denied " + a.GetVerb(), nil
}

// print writes a value in a form of ours that tells all types apart.
func print(value ref.Val) string {
	switch v := value.(type) {
	case types.Null:
		return "null"
	case types.Bool:
		return strconv.FormatBool(bool(v))
	case types.Int:
		return strconv.FormatInt(int64(v), 10)
	case types.Uint:
		return strconv.FormatUint(uint64(v), 10) + "u"
	case types.Double:
		return "double(" + fmt.Sprint(float64(v)) + ")"
	case types.String:
		return quote(string(v))
	case types.Bytes:
		return "bytes(" + hex.EncodeToString(v) + ")"
	case types.Duration:
		return "duration(" + strconv.FormatInt(int64(v.Duration), 10) + ")"
	case types.Timestamp:
		return "timestamp(" + v.Time.Format(time.RFC3339Nano) + ")"
	case *types.Optional:
		if !v.HasValue() {
			return "optional.none()"
		}
		return "optional(" + print(v.GetValue()) + ")"
	case *types.Type:
		return "type(" + v.TypeName() + ")"
	case apiservercel.Format:
		return "kubernetes.NamedFormat(" + v.Name + ")"
	case traits.Lister:
		var items []string
		for it := v.Iterator(); it.HasNext() == types.True; {
			items = append(items, print(it.Next()))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case traits.Mapper:
		var entries []string
		for it := v.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			entries = append(entries, print(key)+": "+print(v.Get(key)))
		}
		sort.Strings(entries)
		return "{" + strings.Join(entries, ", ") + "}"
	}
	if s, ok := value.Value().(fmt.Stringer); ok {
		return value.Type().TypeName() + "(" + s.String() + ")"
	}
	return value.Type().TypeName()
}

func quote(text string) string {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	must(encoder.Encode(text))
	return strings.TrimSpace(buffer.String())
}

func readDocuments(path string) (map[string]any, []string) {
	data, err := os.ReadFile(path)
	must(err)
	documents := map[string]any{}
	must(utiljson.Unmarshal(data, &documents))
	var names []string
	for name := range documents {
		names = append(names, name)
	}
	sort.Strings(names)
	return documents, names
}

func readTable(path string) []string {
	file, err := os.Open(path)
	must(err)
	defer file.Close()
	var expressions []string
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line != "" && !strings.HasPrefix(line, "#") {
			expressions = append(expressions, expand(line)...)
		}
	}
	must(lines.Err())
	return expressions
}

// expand replaces the first `<<a||b>>` by each alternative, and so on.
func expand(line string) []string {
	before, rest, found := strings.Cut(line, "<<")
	if !found {
		return []string{line}
	}
	inner, after, found := strings.Cut(rest, ">>")
	if !found {
		panic("no end of alternatives: " + line)
	}
	var all []string
	for _, alternative := range strings.Split(inner, "||") {
		all = append(all, expand(before+alternative+after)...)
	}
	return all
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
