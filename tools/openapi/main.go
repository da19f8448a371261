// Command openapi makes the one document that describes the register over HTTP. The parts
// that are generated from the schemas bring the reads; the base brings what no schema says:
// who offers it, the feed, and what holds for every answer. The test of this package checks
// the document.
//
//	openapi -base FILE -out FILE PART...
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"reflect"
	"slices"
)

func main() {
	log.SetFlags(0)
	base := flag.String("base", "", "what is written by hand")
	out := flag.String("out", "", "the document to write")
	flag.Parse()
	if *base == "" || *out == "" || flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := mergeFiles(*base, *out, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

// object is a JSON object; it is written with its keys sorted.
type object = map[string]any

func mergeFiles(base, out string, parts []string) error {
	doc, err := read(base)
	if err != nil {
		return err
	}
	for _, name := range parts {
		part, err := read(name)
		if err == nil {
			err = merge(doc, part)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := finish(doc); err != nil {
		return err
	}
	text, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(text, '\n'), 0o644)
}

func read(name string) (object, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	doc := object{}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return doc, nil
}

// at is an object within another, made where it is missing.
func at(o object, path ...string) object {
	for _, key := range path {
		next, ok := o[key].(object)
		if !ok {
			next = object{}
			o[key] = next
		}
		o = next
	}
	return o
}

// merge adds the paths, schemas and tags of a part. What both have must be the same.
func merge(doc, part object) error {
	for _, path := range [][]string{{"paths"}, {"components", "schemas"}} {
		into := at(doc, path...)
		for key, value := range at(part, path...) {
			if have, ok := into[key]; ok && !reflect.DeepEqual(have, value) {
				return fmt.Errorf("%v %s is there already, and is another one", path, key)
			}
			into[key] = value
		}
	}
	tags, _ := doc["tags"].([]any)
	more, _ := part["tags"].([]any)
	doc["tags"] = append(tags, more...)
	return nil
}

// finish says of every operation what holds for all of them, and does what the base says
// of single ones.
func finish(doc object) error {
	each := at(doc, "x-every-operation")
	single := at(doc, "x-operations")
	delete(doc, "x-every-operation")
	delete(doc, "x-operations")
	seen := map[string]bool{}
	for _, path := range slices.Sorted(maps.Keys(at(doc, "paths"))) {
		op := at(doc, "paths", path, "get")
		for code, response := range at(each, "responses") {
			if _, own := at(op, "responses")[code]; !own {
				at(op, "responses")[code] = response
			}
		}
		if ok, is := at(op, "responses")["200"].(object); is && ok["headers"] == nil && ok["$ref"] == nil {
			ok["headers"] = each["headers"]
		}
		parameters, _ := op["parameters"].([]any)
		if more, _ := each["parameters"].([]any); op["x-plain"] == nil {
			parameters = append(parameters, more...)
		}
		delete(op, "x-plain")
		if len(parameters) > 0 {
			op["parameters"] = parameters
		}
		id, _ := op["operationId"].(string)
		seen[id] = true
		if err := adjust(op, at(single, id)); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	for id := range single {
		if !seen[id] {
			return fmt.Errorf("there is no operation %s", id)
		}
	}
	return nil
}

// adjust says which parameters of an operation are required, and in which other forms its
// answer can be had.
func adjust(op, by object) error {
	required, _ := by["required"].([]any)
	for _, name := range required {
		found := false
		parameters, _ := op["parameters"].([]any)
		for _, p := range parameters {
			if p, ok := p.(object); ok && p["name"] == name {
				p["required"], found = true, true
			}
		}
		if !found {
			return fmt.Errorf("it has no parameter %v", name)
		}
	}
	for media, content := range at(by, "content") {
		ok, is := at(op, "responses")["200"].(object)
		if !is {
			return errors.New("it has no answer")
		}
		at(ok, "content")[media] = content
	}
	return nil
}
