package projection

import (
	"fmt"
	"strings"
)

// Rights are the subjects under which a part of the register may publish, as prefixes.
// The zero value permits nothing.
type Rights struct {
	// Own are its own facts.
	Own string
	// Beside are facts of another part that it may publish in one commit with a fact
	// under one of With; none where empty.
	Beside string
	With   []string
}

// check refuses a commit in which anything stands under a subject that is not the part's.
// It is a fault of the part, not of who asked.
func (r Rights) check(events []Event) error {
	with := false
	for _, e := range events {
		for _, prefix := range r.With {
			with = with || strings.HasPrefix(e.Subject, prefix)
		}
	}
	for _, e := range events {
		own := r.Own != "" && strings.HasPrefix(e.Subject, r.Own)
		beside := with && r.Beside != "" && strings.HasPrefix(e.Subject, r.Beside)
		if !own && !beside {
			return fmt.Errorf("a part that may publish under %q was about to publish under %q", r.Own, e.Subject)
		}
	}
	return nil
}
