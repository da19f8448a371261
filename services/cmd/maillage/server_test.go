package main

import (
	"strings"
	"testing"
)

// TestServerFlag: an address that cannot be read, and a service that cannot be reached,
// are told of in French, the service by its name.
func TestServerFlag(t *testing.T) {
	for name, tc := range map[string]struct {
		server, says string
		code         int
	}{
		"one that nobody listens at":  {"127.0.0.1:1", "le registre ne répond pas à 127.0.0.1:1", exitFailed},
		"a service out of reach":      {"topology=127.0.0.1:1,registry=127.0.0.1:2", "le service registry ne répond pas à 127.0.0.1:2 ; démarrez-le avec « maillage serve registry »", exitFailed},
		"both processes out of reach": {"registry=127.0.0.1:1,registry=127.0.0.1:2", "le service registry ne répond pas à 127.0.0.1:1,127.0.0.1:2", exitFailed},
		"a service there is not":      {"annuaire=127.0.0.1:1", "une adresse s'écrit HÔTE:PORT, ou SERVICE=HÔTE:PORT", exitUsage},
		"an address left out":         {"registry=", "une adresse s'écrit HÔTE:PORT", exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs strings.Builder
			code := run([]string{"cycle", "list", "--server", tc.server}, strings.NewReader(""), &out, &errs)
			if code != tc.code || !strings.Contains(errs.String(), tc.says) {
				t.Errorf("exit code %d, %q; want %d and %q", code, errs.String(), tc.code, tc.says)
			}
		})
	}
}
