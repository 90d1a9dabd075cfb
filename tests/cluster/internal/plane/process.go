package plane

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	// logTailBytesMax bounds what is shown of a component's log when it ends unasked.
	logTailBytesMax = 4096
	// stopDeadline is how long a killed process may take to be gone; only a stuck disk takes longer.
	stopDeadline = 10 * time.Second
)

// process is a running component. It cannot outlive this program: the kernel kills it when we end in any
// way.
type process struct {
	name    string
	logFile string
	command *exec.Cmd
	ended   chan struct{}
}

// startProcess starts a component that logs into folder/NAME.log. It must be called on the main thread.
func startProcess(folder, name, program string, args []string) (*process, error) {
	logFile := filepath.Join(folder, name+".log")
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command := exec.Command(program, args...)
	command.Stdout, command.Stderr = log, log
	command.Dir = folder
	command.SysProcAttr = childAttributes()
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	started := &process{name: name, logFile: logFile, command: command, ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(started.ended)
	}()
	return started, nil
}

func (p *process) pid() int {
	return p.command.Process.Pid
}

// kill ends the process at once and waits until it is gone. Nothing that it holds outlives the control
// plane, so there is nothing to shut down in order.
func (p *process) kill() error {
	_ = p.command.Process.Kill()
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopDeadline):
		return fmt.Errorf("%s (pid %d) does not end", p.name, p.pid())
	}
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// failure describes why the process ended, with the end of its log.
func (p *process) failure() error {
	return fmt.Errorf("%s ended: %v; %s", p.name, p.command.ProcessState, p.logTail())
}

func (p *process) logTail() string {
	text, _ := os.ReadFile(p.logFile)
	if len(text) > logTailBytesMax {
		text = text[len(text)-logTailBytesMax:]
	}
	return fmt.Sprintf("its log ends with:\n%s", bytes.TrimSpace(text))
}
