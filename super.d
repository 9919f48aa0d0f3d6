super.o: core/fs/tmpfs/super.c hal/include/hal/memory.h \
 hal/baremetal-x86/include/hal/arch.h core/include/maestro/types.h \
 core/include/maestro/compiler.h core/include/maestro/errno.h \
 core/include/maestro/acl.h core/include/maestro/vfs.h \
 core/include/maestro/cred.h core/include/maestro/atomic.h \
 core/include/maestro/list.h core/include/maestro/fasync.h \
 core/include/maestro/lock.h core/include/maestro/assert.h \
 core/include/maestro/pagecache.h core/include/maestro/page.h \
 core/include/maestro/kernel_fwd.h core/include/maestro/uaccess.h \
 hal/include/hal/user.h core/include/maestro/task.h \
 hal/include/hal/context.h core/include/maestro/sched.h \
 hal/include/hal/cpu.h core/include/maestro/rbtree.h \
 core/include/maestro/signal.h core/include/maestro/xarray.h \
 core/include/maestro/timer.h core/include/maestro/wait.h \
 core/include/maestro/slab.h core/include/maestro/fs.h \
 core/include/maestro/init.h core/include/maestro/kernel.h \
 core/include/maestro/state/abi.h core/include/maestro/state/block.h \
 core/include/maestro/state/debug.h core/include/maestro/state/dev.h \
 core/include/maestro/state/fs.h core/include/maestro/state/ipc.h \
 core/include/maestro/state/lib.h core/include/maestro/state/mm.h \
 core/include/maestro/state/mqueue.h core/include/maestro/state/net.h \
 core/include/maestro/state/proc.h core/include/maestro/state/sched.h \
 core/include/maestro/state/syscall.h core/include/maestro/state/time.h \
 core/include/maestro/state/tty.h core/include/maestro/state/vfs.h \
 core/include/maestro/lib.h core/fs/tmpfs/tmpfs.h \
 core/include/maestro/shmem.h
hal/include/hal/memory.h:
hal/baremetal-x86/include/hal/arch.h:
core/include/maestro/types.h:
core/include/maestro/compiler.h:
core/include/maestro/errno.h:
core/include/maestro/acl.h:
core/include/maestro/vfs.h:
core/include/maestro/cred.h:
core/include/maestro/atomic.h:
core/include/maestro/list.h:
core/include/maestro/fasync.h:
core/include/maestro/lock.h:
core/include/maestro/assert.h:
core/include/maestro/pagecache.h:
core/include/maestro/page.h:
core/include/maestro/kernel_fwd.h:
core/include/maestro/uaccess.h:
hal/include/hal/user.h:
core/include/maestro/task.h:
hal/include/hal/context.h:
core/include/maestro/sched.h:
hal/include/hal/cpu.h:
core/include/maestro/rbtree.h:
core/include/maestro/signal.h:
core/include/maestro/xarray.h:
core/include/maestro/timer.h:
core/include/maestro/wait.h:
core/include/maestro/slab.h:
core/include/maestro/fs.h:
core/include/maestro/init.h:
core/include/maestro/kernel.h:
core/include/maestro/state/abi.h:
core/include/maestro/state/block.h:
core/include/maestro/state/debug.h:
core/include/maestro/state/dev.h:
core/include/maestro/state/fs.h:
core/include/maestro/state/ipc.h:
core/include/maestro/state/lib.h:
core/include/maestro/state/mm.h:
core/include/maestro/state/mqueue.h:
core/include/maestro/state/net.h:
core/include/maestro/state/proc.h:
core/include/maestro/state/sched.h:
core/include/maestro/state/syscall.h:
core/include/maestro/state/time.h:
core/include/maestro/state/tty.h:
core/include/maestro/state/vfs.h:
core/include/maestro/lib.h:
core/fs/tmpfs/tmpfs.h:
core/include/maestro/shmem.h:
