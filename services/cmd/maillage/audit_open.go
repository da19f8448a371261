package main

import (
	"context"
	"iter"
	"regexp"
	"slices"

	"google.golang.org/grpc"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/audit"
	"maillage/services/fault"
	"maillage/services/vault"
)

// opens has a bundle give the values that are asked for in clear. Which its events refer to is
// known once they have been written.
func (c *AuditBundleCmd) opens(ctx context.Context, conn grpc.ClientConnInterface, out *audit.Contents) {
	if !c.Openings && len(c.Open) == 0 {
		return
	}
	var referred []string // in the order of their first event
	known, all := map[string]bool{}, out.Entries
	out.Entries = func(yield func(audit.Entry, error) bool) {
		for e, err := range all {
			for _, v := range audit.Commitments(e.Record) {
				if id := v.GetValueId(); !known[id] {
					known[id], referred = true, append(referred, id)
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
	out.Openings = func(yield func(vault.Opening, error) bool) {
		wanted := referred
		if !c.Openings {
			wanted = nil
			for _, one := range c.Open {
				if !known[string(one)] {
					yield(vault.Opening{}, unopened(string(one)))
					return
				}
				if !slices.Contains(wanted, string(one)) {
					wanted = append(wanted, string(one))
				}
			}
		}
		for o, err := range openings(ctx, conn, wanted, !c.Openings) {
			if !yield(o, err) {
				return
			}
		}
	}
}

func unopened(id string) error {
	return fault.New(fault.NotFound, "VALUE_UNKNOWN", "", "%s", id)
}

// openings asks for values in clear; where all must be there, one that is not is an error.
func openings(ctx context.Context, conn grpc.ClientConnInterface, ids []string, all bool) iter.Seq2[vault.Opening, error] {
	client := labellingv1.NewVaultServiceClient(conn)
	return func(yield func(vault.Opening, error) bool) {
		for len(ids) > 0 {
			r, err := client.OpenValues(ctx, &labellingv1.OpenValuesRequest{ValueIds: ids[:min(len(ids), pageSize)]})
			if err == nil && r.GetLookedUp() == 0 {
				err = unopened(ids[0])
			}
			if err != nil {
				yield(vault.Opening{}, err)
				return
			}
			asked := ids[:r.GetLookedUp()]
			ids = ids[len(asked):]
			for _, id := range asked {
				i := slices.IndexFunc(r.GetOpenings(), func(o *labellingv1.Opening) bool { return o.GetValueId() == id })
				if i < 0 && !all {
					continue
				}
				if i < 0 {
					yield(vault.Opening{}, unopened(id))
					return
				}
				o := r.GetOpenings()[i]
				if !yield(vault.Opening{ID: o.GetValueId(), Kind: o.GetKind(), Salt: o.GetSalt(), Text: o.GetText()}, nil) {
					return
				}
			}
		}
	}
}

// What stands for a name that a bundle does not open.
const (
	erasedPerson = "personne effacée"
	withheldName = "nom non communiqué"
)

func unnamed(erased bool) string {
	if erased {
		return erasedPerson
	}
	return withheldName
}

var valueNumber = regexp.MustCompile(inVault + `([0-9A-Z]{10})`)

// namedBy puts into a text the names of the values that it refers to.
func namedBy(r *audit.Replica, text string) string {
	return valueNumber.ReplaceAllStringFunc(text, func(reference string) string {
		name := r.Name(reference[len(inVault):])
		if name == "" {
			return reference
		}
		return name + " (" + reference + ")"
	})
}
