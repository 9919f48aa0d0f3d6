sys_mm.o: core/mm/sys_mm.c build/gen/i386/gen/sys_proto.h \
 core/include/maestro/types.h core/include/maestro/compiler.h \
 core/include/maestro/uaccess.h hal/include/hal/user.h \
 hal/baremetal-x86/include/hal/arch.h core/include/maestro/errno.h \
 core/include/maestro/page.h hal/include/hal/memory.h \
 core/include/maestro/kernel_fwd.h core/include/maestro/lock.h \
 core/include/maestro/assert.h core/include/maestro/atomic.h \
 core/include/maestro/list.h core/include/maestro/task.h \
 hal/include/hal/context.h core/include/maestro/sched.h \
 hal/include/hal/cpu.h core/include/maestro/rbtree.h \
 core/include/maestro/signal.h core/mm/vm.h hal/include/hal/upcall.h \
 core/include/maestro/kernel.h core/include/maestro/init.h \
 core/include/maestro/state/abi.h core/include/maestro/state/block.h \
 core/include/maestro/slab.h core/include/maestro/timer.h \
 core/include/maestro/wait.h core/include/maestro/state/debug.h \
 core/include/maestro/state/dev.h core/include/maestro/state/fs.h \
 core/include/maestro/state/ipc.h core/include/maestro/state/lib.h \
 core/include/maestro/state/mm.h core/include/maestro/state/mqueue.h \
 core/include/maestro/state/net.h core/include/maestro/state/proc.h \
 core/include/maestro/state/sched.h core/include/maestro/state/syscall.h \
 core/include/maestro/state/time.h core/include/maestro/state/tty.h \
 core/include/maestro/state/vfs.h core/include/maestro/lib.h \
 core/include/maestro/mm.h hal/include/hal/mmu.h \
 core/include/maestro/xarray.h core/include/maestro/pagecache.h \
 core/include/maestro/printk.h core/include/maestro/proc.h \
 core/include/maestro/cred.h core/include/maestro/shmem.h \
 core/include/maestro/vfs.h core/include/maestro/fasync.h
build/gen/i386/gen/sys_proto.h:
core/include/maestro/types.h:
core/include/maestro/compiler.h:
core/include/maestro/uaccess.h:
hal/include/hal/user.h:
hal/baremetal-x86/include/hal/arch.h:
core/include/maestro/errno.h:
core/include/maestro/page.h:
hal/include/hal/memory.h:
core/include/maestro/kernel_fwd.h:
core/include/maestro/lock.h:
core/include/maestro/assert.h:
core/include/maestro/atomic.h:
core/include/maestro/list.h:
core/include/maestro/task.h:
hal/include/hal/context.h:
core/include/maestro/sched.h:
hal/include/hal/cpu.h:
core/include/maestro/rbtree.h:
core/include/maestro/signal.h:
core/mm/vm.h:
hal/include/hal/upcall.h:
core/include/maestro/kernel.h:
core/include/maestro/init.h:
core/include/maestro/state/abi.h:
core/include/maestro/state/block.h:
core/include/maestro/slab.h:
core/include/maestro/timer.h:
core/include/maestro/wait.h:
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
core/include/maestro/mm.h:
hal/include/hal/mmu.h:
core/include/maestro/xarray.h:
core/include/maestro/pagecache.h:
core/include/maestro/printk.h:
core/include/maestro/proc.h:
core/include/maestro/cred.h:
core/include/maestro/shmem.h:
core/include/maestro/vfs.h:
core/include/maestro/fasync.h:
