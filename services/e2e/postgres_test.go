package e2e

import (
	"os"
	"sync"
	"testing"

	"maillage/services/registry/postgres/postgrestest"
)

// rows are the flags of a register that answers from PostgreSQL, with MAILLAGE_POSTGRES:
// from a database of its own for each directory of data, which it finds again when it is
// started again. Without, it answers from memory.
func rows(t *testing.T, data string) []string {
	t.Helper()
	if os.Getenv("MAILLAGE_POSTGRES") == "" {
		return nil
	}
	databases.Lock()
	defer databases.Unlock()
	if databases.urls == nil {
		databases.urls = map[string]string{}
	}
	if databases.urls[data] == "" {
		databases.urls[data] = postgrestest.Database(t)
		t.Cleanup(func() {
			databases.Lock()
			defer databases.Unlock()
			delete(databases.urls, data)
		})
	}
	return []string{"--postgres", databases.urls[data]}
}

var databases struct {
	sync.Mutex
	urls map[string]string
}
