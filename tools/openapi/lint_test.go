package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

const document = "../../services/web/openapi.json"

// The document is what OpenAPI 3.1 and the rules of ours ask for.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	loader := openapi3.NewLoader() // it resolves the references
	parsed, err := loader.LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	doc, err := read(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, broken := range lint(doc) {
		t.Error(broken)
	}
}

var inBraces = regexp.MustCompile(`\{(\w+)\}`)

// lint returns what breaks a rule of ours: every operation says what it does, under a tag
// that is declared and an id of its own; tells of its errors as problems; declares what its
// path names; and explains each parameter. References lead somewhere, every component is
// led to, and nothing is null.
func lint(doc object) (broken []string) {
	say := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	info := at(doc, "info")
	for _, key := range []string{"title", "version", "description", "license"} {
		if info[key] == nil {
			say("info has no %s", key)
		}
	}
	if servers, _ := doc["servers"].([]any); len(servers) == 0 {
		say("no servers")
	}
	declared, ids := map[any]bool{}, map[any]string{}
	tags, _ := doc["tags"].([]any)
	for _, t := range tags {
		if t, ok := t.(object); ok {
			if declared[t["name"]] {
				say("the tag %v is declared twice", t["name"])
			}
			declared[t["name"]] = true
			if t["description"] == nil {
				say("the tag %v is not explained", t["name"])
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(at(doc, "paths"))) {
		for method := range at(doc, "paths", path) {
			if method != "get" {
				say("%s offers %s: only reads are offered", path, method)
			}
		}
		op := at(doc, "paths", path, "get")
		if op["summary"] == nil {
			say("%s has no summary", path)
		}
		if before, twice := ids[op["operationId"]]; twice || op["operationId"] == nil {
			say("%s and %s have the id %v", path, before, op["operationId"])
		}
		ids[op["operationId"]] = path
		used, _ := op["tags"].([]any)
		if len(used) == 0 || !declared[used[0]] {
			say("%s has the tags %v", path, used)
		}
		if at(op, "responses", "default")["$ref"] != "#/components/responses/Problem" {
			say("%s does not say how it fails", path)
		}
		broken = append(broken, lintParameters(doc, path, op)...)
	}
	return append(broken, lintReferences(doc)...)
}

func lintParameters(doc object, path string, op object) (broken []string) {
	inPath := map[string]bool{}
	for _, m := range inBraces.FindAllStringSubmatch(path, -1) {
		inPath[m[1]] = true
	}
	all, _ := op["parameters"].([]any)
	for _, p := range all {
		p, _ := p.(object)
		if ref, is := p["$ref"].(string); is {
			p = at(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
		name, _ := p["name"].(string)
		if p["description"] == nil {
			broken = append(broken, fmt.Sprintf("%s: the parameter %s is not explained", path, name))
		}
		if p["in"] == "path" {
			if !inPath[name] || p["required"] != true {
				broken = append(broken, fmt.Sprintf("%s: the parameter %s is not in the path, or not required", path, name))
			}
			delete(inPath, name)
		}
	}
	for name := range inPath {
		broken = append(broken, fmt.Sprintf("%s: the parameter %s is not declared", path, name))
	}
	return broken
}

func lintReferences(doc object) (broken []string) {
	led := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case nil:
			broken = append(broken, "null stands somewhere")
		case object:
			if ref, ok := v["$ref"].(string); ok {
				led[ref] = true
			}
			for _, one := range v {
				walk(one)
			}
		case []any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(doc)
	for kind, all := range at(doc, "components") {
		some, _ := all.(object)
		for name := range some {
			ref := "#/components/" + kind + "/" + name
			if !led[ref] {
				broken = append(broken, ref+" is used nowhere")
			}
			delete(led, ref)
		}
	}
	for ref := range led {
		broken = append(broken, ref+" leads nowhere")
	}
	slices.Sort(broken)
	return broken
}
