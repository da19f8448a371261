package web

import (
	"bufio"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	contract "maillage/proto"
)

// Every message of the reads with a value from the vault is known to have one: no cache
// may keep it.
func TestNamed(t *testing.T) {
	files, err := fs.Glob(contract.Sources, "maillage/registry/v1/*.proto")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	found := 0
	for _, name := range files {
		f, err := contract.Sources.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		message := ""
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if m := regexp.MustCompile(`^message (\w+)`).FindStringSubmatch(lines.Text()); m != nil {
				message = m[1]
			}
			if !strings.Contains(lines.Text(), "from the vault") {
				continue
			}
			found++
			if !slices.Contains(named, protoreflect.FullName("maillage.registry.v1."+message)) {
				t.Errorf("%s in %s has a value from the vault", message, path.Base(name))
			}
		}
	}
	if found < len(named) {
		t.Errorf("%d values from the vault are found", found)
	}
}
