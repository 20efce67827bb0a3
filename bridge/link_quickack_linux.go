package bridge

import (
	"bufio"
	"net"
	"syscall"
)

// quickAckConn is a connection that acknowledges at once what it has read. Mosquitto
// leaves Nagle's algorithm on by default: a command that follows another
// message would wait for an acknowledgment that Linux delays by 40 ms.
type quickAckConn struct{ *net.TCPConn }

func quickAck(conn net.Conn) net.Conn {
	if tcp, ok := conn.(*net.TCPConn); ok {
		return bufferedConn{tcp, bufio.NewReader(quickAckConn{tcp})}
	}
	return conn
}

// bufferedConn reads ahead: the client asks for the parts of a packet one by one, and each
// would be a read, and an acknowledgment, of its own.
type bufferedConn struct {
	*net.TCPConn
	in *bufio.Reader
}

func (b bufferedConn) Read(to []byte) (int, error) { return b.in.Read(to) }

func (p quickAckConn) Read(b []byte) (int, error) {
	n, err := p.TCPConn.Read(b)
	if raw, rawErr := p.SyscallConn(); rawErr == nil {
		_ = raw.Control(func(fd uintptr) { // without it, it is slower and nothing else
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
		})
	}
	return n, err
}
