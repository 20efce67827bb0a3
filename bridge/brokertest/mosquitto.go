package brokertest

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// atOnce has Mosquitto send small messages at once, as the configurations that are
// shipped do.
const atOnce = "set_tcp_nodelay true\n"

// files are what Mosquitto reads, by name; listener is the address it listens
// on and dir the folder that the files will be in.
func (c Config) files(listener, dir string) (map[string][]byte, error) {
	conf := "listener " + listener + "\npersistence false\nlog_dest stderr\n" + atOnce
	files := map[string][]byte{}
	if len(c.Users) == 0 {
		conf += "allow_anonymous true\n"
	} else {
		conf += "allow_anonymous false\npassword_file " + dir + "/passwords\n"
		for _, user := range slices.Sorted(maps.Keys(c.Users)) {
			line, err := passwordLine(user, c.Users[user])
			if err != nil {
				return nil, err
			}
			files["passwords"] = append(files["passwords"], line...)
		}
	}
	if c.ACL != "" {
		conf += "acl_file " + dir + "/acl\n"
		files["acl"] = []byte(c.ACL)
	}
	if c.PacketLimit > 0 {
		conf += fmt.Sprintf("max_packet_size %d\n", c.PacketLimit)
	}
	if c.Certs != nil {
		conf += fmt.Sprintf("cafile %s/ca.crt\ncertfile %s/server.crt\nkeyfile %s/server.key\nrequire_certificate %t\n", dir, dir, dir, c.ClientCerts)
		for name, path := range map[string]string{"ca.crt": c.Certs.CAFile, "server.crt": c.Certs.ServerCert, "server.key": c.Certs.ServerKey} {
			b, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			files[name] = b
		}
	}
	if c.Conf != "" {
		conf = strings.NewReplacer("\nlistener 8883\n", "\nlistener "+listener+"\nlog_dest stderr\n", ConfFolder, dir).Replace(c.Conf)
	}
	files["mosquitto.conf"] = []byte(conf)
	return files, nil
}

// passwordLine is a line of Mosquitto's password file, as mosquitto_passwd
// writes it: PBKDF2 with SHA-512.
func passwordLine(user, password string) ([]byte, error) {
	salt := make([]byte, 12)
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	const rounds = 101
	key, err := pbkdf2.Key(sha512.New, password, salt, rounds, 64)
	if err != nil {
		return nil, err
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, "%s:$7$%d$%s$%s\n", user, rounds, b64(salt), b64(key)), nil
}

func runBinary(t testing.TB, cfg Config) (instance, error) {
	path, err := mosquittoBinary()
	if err != nil {
		return instance{}, err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return instance{}, err
	}
	addr := free.Addr().String()
	free.Close()
	dir := t.TempDir()
	_, port, _ := net.SplitHostPort(addr)
	files, err := cfg.files(port+" 127.0.0.1", dir)
	if err != nil {
		return instance{}, err
	}
	if os.Getuid() == 0 {
		// It would change to a user that may not read the test's folder.
		files["mosquitto.conf"] = append(files["mosquitto.conf"], "user root\n"...)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return instance{}, err
		}
	}
	var logs lockedBuffer
	cmd := exec.Command(path, "-c", filepath.Join(dir, "mosquitto.conf"))
	cmd.Stdout, cmd.Stderr = &logs, &logs
	if err := cmd.Start(); err != nil {
		return instance{}, err
	}
	return instance{addr: addr, logs: logs.String, stop: func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}}, nil
}

func image() string {
	if name := os.Getenv("TEST_MOSQUITTO_IMAGE"); name != "" {
		return name
	}
	return "eclipse-mosquitto:2"
}

// dockerEnvironment keeps testcontainers from pulling its reaper, which needs
// a registry, and from guessing an address that is not the loopback.
func dockerEnvironment() {
	for name, value := range map[string]string{"TESTCONTAINERS_RYUK_DISABLED": "true", "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1"} {
		if _, set := os.LookupEnv(name); !set {
			os.Setenv(name, value)
		}
	}
}

// dockerReady says why Docker cannot run the image; nil if it can. It never
// pulls.
func dockerReady() (err error) {
	defer func() {
		if r := recover(); r != nil { // testcontainers panics where it finds no Docker
			err = fmt.Errorf("it does not answer: %v", r)
		}
	}()
	dockerEnvironment()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	p, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(log.New(io.Discard, "", 0)))
	if err != nil {
		return fmt.Errorf("it does not answer: %w", err)
	}
	defer func() { _ = p.Close() }()
	if err := p.Health(ctx); err != nil {
		return fmt.Errorf("it does not answer: %w", err)
	}
	if _, err := p.Client().ImageInspect(ctx, image()); err != nil {
		return fmt.Errorf("it has no image %s: run .ci/mosquitto-image", image())
	}
	return nil
}

func runDocker(_ testing.TB, cfg Config) (instance, error) {
	const dir = "/mosquitto/config"
	files, err := cfg.files("1883", dir)
	if err != nil {
		return instance{}, err
	}
	options := []testcontainers.ContainerCustomizer{
		testcontainers.WithLogger(log.New(io.Discard, "", 0)),
		testcontainers.WithExposedPorts("1883/tcp"),
		// There may be no shell in the image to look from inside.
		testcontainers.WithWaitStrategy(wait.ForListeningPort("1883/tcp").SkipInternalCheck().WithStartupTimeout(30 * time.Second)),
	}
	for name, b := range files {
		options = append(options, testcontainers.WithFiles(testcontainers.ContainerFile{
			Reader: bytes.NewReader(b), ContainerFilePath: dir + "/" + name, FileMode: 0o644,
		}))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := testcontainers.Run(ctx, image(), options...)
	stop := func() {
		if c != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			_ = c.Terminate(ctx, testcontainers.StopTimeout(0))
		}
	}
	if err != nil {
		stop()
		return instance{}, err
	}
	addr, err := c.PortEndpoint(ctx, "1883/tcp", "")
	if err != nil {
		stop()
		return instance{}, err
	}
	logs := func() string {
		r, err := c.Logs(context.Background())
		if err != nil {
			return err.Error()
		}
		defer r.Close()
		b, _ := io.ReadAll(r)
		return string(b)
	}
	return instance{addr: addr, stop: stop, logs: logs}, nil
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
