package eventlog_test

import (
	"testing"

	"go.uber.org/goleak"

	"maillage/services/eventlog"
	"maillage/services/eventlog/eventlogtest"
)

func TestMemory(t *testing.T) {
	defer goleak.VerifyNone(t)
	eventlogtest.Run(t, func(t *testing.T) eventlogtest.Harness {
		m := eventlog.NewMemory()
		var mark uint64
		return eventlogtest.Harness{
			Log:        m,
			Open:       func(*testing.T) eventlog.Log { return m },
			LoseWrite:  func() { m.FailNext(false) },
			LoseAnswer: func() { m.FailNext(true) },
			Break:      func(after int) { m.FailNext(after > 50_000) },
			Mark:       func() { mark, _, _ = m.Head(t.Context()) },
			Rollback:   func() { m.Truncate(mark) },
		}
	})
}
