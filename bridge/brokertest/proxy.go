package brokertest

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// A Proxy passes TCP connections on to an upstream that may change, and breaks
// them as networks do.
type Proxy struct {
	ln net.Listener

	mu       sync.Mutex
	upstream string // empty: connections are refused
	conns    map[net.Conn]bool
	hole     bool          // bytes vanish; connections stay open
	resume   chan struct{} // closed when bytes may pass; nil: they may
	accepted int
	closed   bool
}

// NewProxy listens on a free port of the loopback.
func NewProxy() (*Proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{ln: ln, conns: map[net.Conn]bool{}}
	go p.accept()
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// SetUpstream says where new connections go; empty: they are ended at once.
func (p *Proxy) SetUpstream(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.upstream = addr
}

// Upstream is where new connections go.
func (p *Proxy) Upstream() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.upstream
}

// Accepted is how many connections were made through the proxy so far.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Cut ends all connections, as the crash of a machine between would.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, not an orderly end
		}
		c.Close()
	}
}

// BlackHole lets connections stay open and all bytes vanish, until Heal: the
// half-open connection of a pulled cable.
func (p *Proxy) BlackHole() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hole = true
}

// Pause holds bytes back until Heal.
func (p *Proxy) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resume == nil {
		p.resume = make(chan struct{})
	}
}

// Heal ends BlackHole and Pause.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hole = false
	if p.resume != nil {
		close(p.resume)
		p.resume = nil
	}
}

// Close ends the proxy.
func (p *Proxy) Close() {
	p.ln.Close()
	p.Heal()
	p.Cut()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
}

func (p *Proxy) accept() {
	for {
		conn, err := p.ln.Accept()
		if err != nil {
			return
		}
		go p.pass(conn)
	}
}

func (p *Proxy) pass(client net.Conn) {
	p.mu.Lock()
	upstream := p.upstream
	p.accepted++
	p.mu.Unlock()
	if upstream == "" {
		client.Close()
		return
	}
	server, err := net.DialTimeout("tcp", upstream, 2*time.Second)
	if err != nil {
		client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = true, true
	closed := p.closed
	p.mu.Unlock()
	if closed {
		p.Cut()
	}
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client) })
	both.Go(func() { p.copy(client, server) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, client)
	delete(p.conns, server)
}

// copy passes bytes until either end is gone, and then ends both.
func (p *Proxy) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		hole, resume := p.hole, p.resume
		p.mu.Unlock()
		if resume != nil {
			<-resume
		}
		if n > 0 && !hole {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if hole && errors.Is(err, io.EOF) {
			continue // not even the end comes through; Cut ends the read with another error
		}
		if err != nil {
			return
		}
	}
}
