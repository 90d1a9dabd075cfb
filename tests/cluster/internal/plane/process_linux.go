package plane

import "syscall"

// childAttributes puts a child into its own process group, so that a Ctrl-C in a terminal reaches only
// us, and has the kernel kill it when the main thread ends.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
