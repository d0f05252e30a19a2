package edge

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elastane/elastane/api"
)

// handlersOf returns Handlers in which every operation is answer, called by the operation's name.
func handlersOf(answer func(ctx context.Context, operation string, in any) (reflect.Value, error)) *api.Handlers {
	h := &api.Handlers{}
	fields := reflect.ValueOf(h).Elem()
	for i := range fields.NumField() {
		name, f := fields.Type().Field(i).Name, fields.Field(i)
		f.Set(reflect.MakeFunc(f.Type(), func(args []reflect.Value) []reflect.Value {
			out, err := answer(args[0].Interface().(context.Context), name, args[1].Interface())
			if !out.IsValid() {
				out = reflect.Zero(f.Type().Out(0))
			}
			failure := reflect.Zero(f.Type().Out(1))
			if err != nil {
				failure = reflect.ValueOf(err)
			}
			return []reflect.Value{out, failure}
		}))
	}
	return h
}

// handlerType returns the type of an operation's function.
func handlerType(operation string) reflect.Type {
	f, _ := reflect.TypeFor[api.Handlers]().FieldByName(operation)
	return f.Type
}

// newInput returns an empty input of an operation.
func newInput(operation string) api.Input {
	return reflect.New(handlerType(operation).In(1).Elem()).Interface().(api.Input)
}

// fullInput returns an input with every member filled that the contract accepts.
func fullInput(t testing.TB, operation string) api.Input {
	t.Helper()
	in := newInput(operation)
	n := 0
	fill(reflect.ValueOf(in).Elem(), &n)
	repair(t, in)
	return in
}

// fullOutput returns a pointer to an output with every member filled.
func fullOutput(operation string) reflect.Value {
	out := reflect.New(handlerType(operation).Out(0).Elem())
	n := 0
	fill(out.Elem(), &n)
	return out
}

var awkward = []string{"a", "<&>\"'", "tab\tand\nlines", "ünïcödé ☃", " spaces "}

// fill sets every member under v to a value of its own, so that a mix-up shows. Lists get two elements.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, *n%1000*int(time.Millisecond), time.UTC)))
		return
	case api.Secret:
		v.Set(reflect.ValueOf(api.NewSecret(awkward[*n%len(awkward)] + strconv.Itoa(*n))))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.String:
		v.SetString(awkward[*n%len(awkward)] + strconv.Itoa(*n))
	case reflect.Int32:
		v.SetInt(int64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) + 0.25)
	case reflect.Bool:
		v.SetBool(*n%2 == 0)
	default:
		panic("no sample for " + v.Type().String())
	}
}

var brokenRule = regexp.MustCompile(`at '([^']+)' failed to satisfy constraint: Member must (.*)$`)

// repair changes what breaks a constraint until the input is valid, going by the messages of the validation.
func repair(t testing.TB, in api.Input) {
	t.Helper()
	for range 1000 {
		err := in.Validate()
		if err == nil {
			return
		}
		first, _, _ := strings.Cut(strings.SplitAfterN(err.Error(), "detected: ", 2)[1], "; Value ")
		m := brokenRule.FindStringSubmatch(first)
		if m == nil {
			t.Fatalf("cannot repair: %v", err)
		}
		v := memberAt(reflect.ValueOf(in).Elem(), m[1])
		switch rule := m[2]; {
		case strings.HasPrefix(rule, "satisfy enum value set: ["):
			values := strings.Split(strings.TrimSuffix(strings.TrimPrefix(rule, "satisfy enum value set: ["), "]"), ", ")
			v.SetString(values[len(values)-1])
		case strings.Contains(rule, `\d+`), strings.HasSuffix(rule, "equal to 4"):
			v.SetString("12")
		case strings.Contains(rule, "pattern"):
			v.SetString("abc")
		case strings.Contains(rule, "have value"):
			v.SetInt(20)
		default:
			t.Fatalf("cannot repair: %v", err)
		}
	}
	t.Fatal("the input does not become valid")
}

// memberAt follows a path of a validation message, such as userGroupIds.1.member.
func memberAt(v reflect.Value, path string) reflect.Value {
	for _, part := range strings.Split(path, ".") {
		v = reflect.Indirect(v)
		if i, err := strconv.Atoi(part); err == nil {
			v = v.Index(i - 1)
		} else if part != "member" {
			v = v.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, part) })
		}
	}
	return reflect.Indirect(v)
}

// convert copies src into dst, which has the same members under the same names but other Go types (the SDK's
// enumerations, for example). It fails if dst lacks a member that is set.
func convert(dst, src reflect.Value) error {
	switch {
	case src.Kind() == reflect.Pointer:
		if src.IsNil() {
			return nil
		}
		return convert(dst, src.Elem())
	case dst.Kind() == reflect.Pointer:
		if dst.IsNil() {
			dst.Set(reflect.New(dst.Type().Elem()))
		}
		return convert(dst.Elem(), src)
	case src.Type() == reflect.TypeFor[time.Time]():
		dst.Set(src)
		return nil
	case src.Type() == reflect.TypeFor[api.Secret]():
		dst.SetString(src.Interface().(api.Secret).Reveal())
		return nil
	}
	switch src.Kind() {
	case reflect.Struct:
		for i := range src.NumField() {
			name := src.Type().Field(i).Name
			if name == "ResultMetadata" || name == "noSmithyDocumentSerde" {
				continue
			}
			if src.Field(i).IsZero() {
				continue
			}
			to := dst.FieldByName(name)
			if !to.IsValid() {
				return fmt.Errorf("%s has no member %s", dst.Type(), name)
			}
			if err := convert(to, src.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Slice:
		dst.Set(reflect.MakeSlice(dst.Type(), src.Len(), src.Len()))
		for i := range src.Len() {
			if err := convert(dst.Index(i), src.Index(i)); err != nil {
				return err
			}
		}
	default:
		if !src.CanConvert(dst.Type()) {
			return fmt.Errorf("%s is not %s", src.Type(), dst.Type())
		}
		dst.Set(src.Convert(dst.Type()))
	}
	return nil
}
