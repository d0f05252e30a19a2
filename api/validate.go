package api

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// constraint is what the contract asks of a string. Zero members ask nothing.
type constraint struct {
	minLength, maxLength int
	pattern              *regexp.Regexp
	enum                 []string
}

// validator collects what is wrong with an input. A missing member is reported before, and instead
// of, values that break a constraint.
type validator struct {
	missing *Error
	broken  []string
}

func (v *validator) err() error {
	if v.missing != nil {
		return v.missing
	}
	if len(v.broken) == 0 {
		return nil
	}
	plural := "s"
	if len(v.broken) == 1 {
		plural = ""
	}
	return InvalidParameterValue("%d validation error%s detected: %s", len(v.broken), plural, strings.Join(v.broken, "; "))
}

func (v *validator) miss(path, what string) {
	if v.missing == nil {
		v.missing = InvalidParameterValue("The parameter %s must be provided%s.", path, what)
	}
}

func (v *validator) requireText(path string, value *string) {
	if value == nil || strings.TrimSpace(*value) == "" {
		v.miss(path, " and must not be blank")
	}
}

func requireValue[T any](v *validator, path string, value *T) {
	if value == nil {
		v.miss(path, " and must not be null")
	}
}

func requireList[T any](v *validator, path string, list []T) {
	if len(list) == 0 {
		v.miss(path, "")
	}
}

// text checks a string, if it was given.
func (v *validator) text(path string, value *string, c *constraint) {
	if value == nil {
		return
	}
	length := utf8.RuneCountInString(*value)
	switch {
	case c.enum != nil && !slices.Contains(c.enum, *value):
		v.broke(path, *value, "Member must satisfy enum value set: ["+strings.Join(c.enum, ", ")+"]")
	case length < c.minLength:
		v.broke(path, *value, "Member must have length greater than or equal to "+strconv.Itoa(c.minLength))
	case c.maxLength > 0 && length > c.maxLength:
		v.broke(path, *value, "Member must have length less than or equal to "+strconv.Itoa(c.maxLength))
	case c.pattern != nil && !c.pattern.MatchString(*value):
		v.broke(path, *value, "Member must satisfy regular expression pattern: "+c.pattern.String())
	}
}

func (v *validator) texts(path string, list []string, c *constraint) {
	for i := range list {
		v.text(element(path, i), &list[i], c)
	}
}

// number checks that an integer, if it was given, lies in [least, most].
func (v *validator) number(path string, value *int32, least, most int32) {
	switch {
	case value == nil:
	case *value < least:
		v.broke(path, strconv.Itoa(int(*value)), fmt.Sprintf("Member must have value greater than or equal to %d", least))
	case *value > most:
		v.broke(path, strconv.Itoa(int(*value)), fmt.Sprintf("Member must have value less than or equal to %d", most))
	}
}

// items checks the length of a list, if it was given. most is 0 where there is no upper bound.
func items[T any](v *validator, path string, list []T, least, most int) {
	switch {
	case list == nil:
	case len(list) < least:
		v.broken = append(v.broken, fmt.Sprintf("Value at '%s' failed to satisfy constraint: "+
			"Member must have length greater than or equal to %d", memberPath(path), least))
	case most > 0 && len(list) > most:
		v.broken = append(v.broken, fmt.Sprintf("Value at '%s' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", memberPath(path), most))
	}
}

// validatable is the pointer to a structure with constraints.
type validatable[T any] interface {
	*T
	validate(v *validator, path string)
}

func validateStructures[T any, P validatable[T]](v *validator, path string, list []T) {
	for i := range list {
		P(&list[i]).validate(v, element(path, i)+".")
	}
}

func validateStructure[T any, P validatable[T]](v *validator, path string, value P) {
	if value != nil {
		value.validate(v, path+".")
	}
}

func (v *validator) broke(path, value, rule string) {
	const most = 255
	if len(value) > most {
		value = strings.ToValidUTF8(value[:most], "") + "…"
	}
	v.broken = append(v.broken, fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: %s", value, memberPath(path), rule))
}

func element(path string, i int) string { return path + "." + strconv.Itoa(i+1) + ".member" }

// memberPath writes a path as AWS does in constraint messages: userGroupIds.1.member.
func memberPath(path string) string {
	parts := strings.Split(path, ".")
	for i, p := range parts {
		if p != "" {
			parts[i] = strings.ToLower(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, ".")
}
