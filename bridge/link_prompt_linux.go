package bridge

import (
	"net"
	"syscall"
)

// prompt is a connection that acknowledges at once what it has read. Mosquitto
// leaves Nagle's algorithm on by default: a command that follows another
// message would wait for an acknowledgement that Linux delays by 40 ms.
type prompt struct{ *net.TCPConn }

func promptly(conn net.Conn) net.Conn {
	if tcp, ok := conn.(*net.TCPConn); ok {
		return prompt{tcp}
	}
	return conn
}

func (p prompt) Read(b []byte) (int, error) {
	n, err := p.TCPConn.Read(b)
	if raw, rawErr := p.SyscallConn(); rawErr == nil {
		_ = raw.Control(func(fd uintptr) { // without it, it is slower and nothing else
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
		})
	}
	return n, err
}
