package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"runtime"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"github.com/google/cel-go/interpreter"
	"golang.org/x/sys/unix"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/lazy"
	"k8s.io/apiserver/pkg/cel/library"
)

// bench measures evaluations as `benches/cel` asks for them. The first line of the input is a workload; the answer has a line with the
// values of each of its rows. Each further line asks for one measure: a row's number, how to run it and how long at least, in nanoseconds
// of processor time; the answer is nanoseconds and allocations each.
func bench() {
	runtime.LockOSThread()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		panic("no workload")
	}
	var workload struct {
		Object json.RawMessage
		Rows   []benchRow
	}
	must(json.Unmarshal(lines.Bytes(), &workload))
	var object map[string]any
	must(utiljson.Unmarshal(workload.Object, &object))
	out := json.NewEncoder(os.Stdout)
	runs := []map[string]*benchRun{}
	for _, row := range workload.Rows {
		both := map[string]*benchRun{
			"plain":     plainRun(row, object),
			"apiserver": apiServerRun(row, object),
		}
		values := map[string]string{}
		for way, run := range both {
			value, err := run.evaluate()
			must(err)
			values[way] = print(value)
		}
		must(out.Encode(values))
		runs = append(runs, both)
	}
	for lines.Scan() {
		var ask struct {
			Row   int
			Way   string
			Nanos int64
		}
		must(json.Unmarshal(lines.Bytes(), &ask))
		must(out.Encode(runs[ask.Row][ask.Way].measure(ask.Nanos)))
	}
}

type benchRow struct {
	Expression string
	Variables  []struct{ Name, Expression string }
}

// benchRun evaluates one row, everything that is made for one resource included.
type benchRun struct {
	evaluate func() (ref.Val, error)
	n        int
}

type benchCost struct {
	Nanos       float64 `json:"nanos"`
	Allocations float64 `json:"allocations"`
}

// measure counts the processor time of this thread: what the garbage collector does in others is not held against the row.
func (r *benchRun) measure(nanos int64) benchCost {
	for {
		r.n = max(r.n, 1)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := threadNanos()
		for range r.n {
			if _, err := r.evaluate(); err != nil {
				panic(err)
			}
		}
		taken := threadNanos() - start
		runtime.ReadMemStats(&after)
		n := float64(r.n)
		if taken >= nanos {
			return benchCost{float64(taken) / n, float64(after.Mallocs-before.Mallocs) / n}
		}
		r.n *= 2
	}
}

func threadNanos() int64 {
	var now unix.Timespec
	must(unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now))
	return now.Nano()
}

// plainRun compiles as Kyverno does: an environment of the same libraries, programs without options, a map of names.
func plainRun(row benchRow, object map[string]any) *benchRun {
	env, err := cel.NewEnv(
		cel.HomogeneousAggregateLiterals(),
		cel.EagerlyValidateDeclarations(true),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		library.URLs(),
		library.Regex(),
		library.Lists(),
		library.Quantity(),
		library.IP(),
		library.CIDR(),
		library.Format(),
		library.SemverLib(library.SemverVersion(1)),
		ext.Bindings(),
		ext.Encoders(),
		ext.Lists(ext.ListsVersion(3)),
		ext.Math(),
		ext.Sets(),
		ext.Strings(ext.StringsVersion(2)),
		ext.TwoVarComprehensions(),
		cel.Variable("object", cel.DynType),
	)
	must(err)
	program, variables := compileRow(env, row)
	ctx := context.Background()
	return &benchRun{evaluate: func() (ref.Val, error) {
		names := map[string]any{"object": object}
		if len(variables) > 0 {
			names["variables"] = variables.lazily(ctx, names)
		}
		value, _, err := program.ContextEval(ctx, names)
		return value, err
	}}
}

// apiServerRun compiles as the API server does: its environment tracks cost under its limits, and programs look for interrupts.
func apiServerRun(row benchRow, object map[string]any) *benchRun {
	program, variables := compileRow(newEnv(), row, cel.InterruptCheckFrequency(celconfig.CheckFrequency))
	ctx := context.Background()
	return &benchRun{evaluate: func() (ref.Val, error) {
		names := &admission{object: object}
		if len(variables) > 0 {
			names.variables = variables.lazily(ctx, names)
		}
		value, _, err := program.ContextEval(ctx, names)
		return value, err
	}}
}

// admission is what names mean in an admission request.
type admission struct {
	object    any
	variables any
}

func (a *admission) ResolveName(name string) (any, bool) {
	switch name {
	case "object":
		return a.object, true
	case "variables":
		return a.variables, true
	}
	return nil, false
}

func (a *admission) Parent() interpreter.Activation { return nil }

const variablesName = "kubernetes.variables"

var variablesType = types.NewObjectType(variablesName)

type namedProgram struct {
	name    string
	program cel.Program
}

type namedPrograms []namedProgram

// lazily computes each variable when it is read first.
func (p namedPrograms) lazily(ctx context.Context, names any) *lazy.MapValue {
	values := lazy.NewMapValue(variablesType)
	for _, variable := range p {
		values.Append(variable.name, func(*lazy.MapValue) ref.Val {
			value, _, err := variable.program.ContextEval(ctx, names)
			if err != nil {
				return types.WrapErr(err)
			}
			return value
		})
	}
	return values
}

func compileRow(env *cel.Env, row benchRow, options ...cel.ProgramOption) (cel.Program, namedPrograms) {
	fields := map[string]*types.Type{}
	env, err := env.Extend(
		cel.Variable("variables", variablesType),
		cel.CustomTypeProvider(variablesProvider{env.CELTypeProvider(), fields}),
	)
	must(err)
	compile := func(expression string) (cel.Program, *types.Type) {
		ast, issues := env.Compile(expression)
		must(issues.Err())
		program, err := env.Program(ast, options...)
		must(err)
		return program, ast.OutputType()
	}
	var variables namedPrograms
	for _, variable := range row.Variables {
		program, kind := compile(variable.Expression)
		fields[variable.Name] = kind
		variables = append(variables, namedProgram{variable.Name, program})
	}
	program, _ := compile(row.Expression)
	return program, variables
}

// variablesProvider knows the type of `variables`.
type variablesProvider struct {
	types.Provider
	fields map[string]*types.Type
}

func (p variablesProvider) FindStructType(name string) (*types.Type, bool) {
	if name == variablesName {
		return types.NewTypeTypeWithParam(variablesType), true
	}
	return p.Provider.FindStructType(name)
}

func (p variablesProvider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if name != variablesName {
		return p.Provider.FindStructFieldType(name, field)
	}
	kind, found := p.fields[field]
	return &types.FieldType{Type: kind}, found
}
