package jetstream

import (
	"bytes"
	"io"
	"net"
	"sync"
)

// wire dials connections that can be made to fail.
type wire struct {
	mu    sync.Mutex
	conns map[*wireConn]bool
	fault func(c *wireConn, b []byte) (int, error) // of the next write that publishes a record
}

func newWire() *wire { return &wire{conns: map[*wireConn]bool{}} }

func (w *wire) dial(network, address string) (net.Conn, error) {
	c, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	wc := &wireConn{Conn: c, w: w}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[wc] = true
	return wc, nil
}

func (w *wire) arm(fault func(c *wireConn, b []byte) (int, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = fault
	for c := range w.conns {
		c.limited = false
	}
}

// loseWrite swallows what the client sends, then breaks the connection.
func (w *wire) loseWrite() {
	w.arm(func(c *wireConn, b []byte) (int, error) {
		return len(b), c.Close()
	})
}

// loseAnswer swallows what the server sends up to its answer, then breaks the
// connection.
func (w *wire) loseAnswer() {
	w.arm(func(c *wireConn, b []byte) (int, error) {
		c.w.mu.Lock()
		c.deaf = true
		c.w.mu.Unlock()
		return c.Conn.Write(b)
	})
}

// breakAfter lets so many bytes through, then breaks the connection.
func (w *wire) breakAfter(n int) {
	w.arm(func(c *wireConn, b []byte) (int, error) {
		c.w.mu.Lock()
		c.left, c.limited = n, true
		c.w.mu.Unlock()
		return c.Write(b)
	})
}

// disconnect breaks all connections.
func (w *wire) disconnect() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
		delete(w.conns, c)
	}
}

type wireConn struct {
	net.Conn
	w       *wire
	deaf    bool
	limited bool
	left    int
}

func (c *wireConn) Write(b []byte) (int, error) {
	c.w.mu.Lock()
	if c.limited {
		n := min(c.left, len(b))
		c.left -= n
		end := c.left == 0
		c.w.mu.Unlock()
		if _, err := c.Conn.Write(b[:n]); err != nil {
			return 0, err
		}
		if end {
			_ = c.Close()
			return n, io.ErrClosedPipe
		}
		return n, nil
	}
	fault := c.w.fault
	if fault != nil && bytes.Contains(b, []byte("HPUB registry.")) {
		c.w.fault = nil
		c.w.mu.Unlock()
		return fault(c, b)
	}
	c.w.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *wireConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		c.w.mu.Lock()
		deaf := c.deaf
		c.w.mu.Unlock()
		if !deaf || err != nil {
			return n, err
		}
		if bytes.Contains(b[:n], []byte(`"seq":`)) {
			_ = c.Close()
			return 0, io.EOF
		}
	}
}
