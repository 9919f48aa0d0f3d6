/* SPDX-License-Identifier: MIT */
/*
 * The first process, before it is a program: devices, the root file system, /dev, the console, then exec of init.
 * What is missing is said on the console together with what was found, and the machine waits (or reboots after panic= seconds).
 */
#include <hal/context.h>
#include <hal/memory.h>
#include <hal/platform.h>
#include <maestro/block.h>
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/timer.h>
#include <maestro/vfs.h>

/* The machine cannot go on by itself, and the user has been told why. */
static void __noreturn wait_for_user(void)
{
	int timeout = boot_params()->panic_timeout;

	if (timeout != 0) {
		if (timeout > 0) {
			klog(LOG_EMERG, "rebooting in %d s (panic=%d)", timeout, timeout);
			kerr_t woken = sleep_until(ktime_get() + timeout * NSEC_PER_SEC);
			(void)woken;
		}
		kernel_shutdown(SHUTDOWN_RESTART);
	}
	klog(LOG_EMERG, "waiting. Reset the machine to try again.");
	for (;;) {
		kerr_t woken = sleep_until(ktime_get() + 3600 * NSEC_PER_SEC);
		(void)woken;
	}
}

static void list_one_device(struct block_device *b, void *count)
{
	++*(unsigned *)count;
	klog(LOG_EMERG, "  %-8s %8llu MiB  %s%s", b->name, (unsigned long long)(b->sectors >> 11), b->partno ? "partition" : b->disk->model,
	     b->partno && b->uuid[0] ? b->uuid : "");
}

static void explain_no_root(const char *what, int error)
{
	unsigned count = 0;

	klog(LOG_EMERG, "cannot mount the root file system: root=%s %s(error %d)", boot_params()->root[0] ? boot_params()->root : "(not given)", what, error);
	klog(LOG_EMERG, "block devices found:");
	block_for_each(list_one_device, &count);
	if (!count)
		klog(LOG_EMERG, "  none: is a disk attached, as IDE or virtio?");
	klog(LOG_EMERG, "give root=/dev/NAME, root=UUID=..., root=LABEL=... or root=PARTUUID=... on the boot line");
}

/* Finds root=, with rootdelay= and rootwait. */
static kerr_t find_root(struct block_device **out)
{
	const struct boot_params *p = boot_params();
	kerr_t err;

	if (p->rootdelay) {
		kerr_t woken = sleep_until(ktime_get() + p->rootdelay * NSEC_PER_SEC);
		(void)woken;
	}
	for (;;) {
		err = block_find_spec(p->root, out);
		if (!err || !p->rootwait)
			return err;
		kerr_t woken = sleep_until(ktime_get() + 100 * NSEC_PER_MSEC);
		(void)woken;
	}
}

static kerr_t move_root(void)
{
	struct path root = {0}, slash = {0};
	kerr_t err = path_lookup(AT_FDCWD, "/root", LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &root);

	if (err)
		return err;
	err = path_lookup(AT_FDCWD, "/", LOOKUP_FOLLOW, &slash);
	if (!err) {
		err = do_mount("/root", &slash, NULL, MS_MOVE, NULL);
		path_put(&slash);
	}
	if (!err) {
		fs_ctx_set_root(&root);
		fs_ctx_set_cwd(&root);
	}
	path_put(&root);
	return err;
}

/* rootfstype=, or whichever can be mounted, in Linux's order. */
static kerr_t mount_any(const char *node, const struct path *at)
{
	static const char *const types[] = { "ext3", "ext2", "ext4" };
	const struct boot_params *p = boot_params();
	unsigned flags = p->ro ? MS_RDONLY : 0;
	const char *data = p->rootflags[0] ? p->rootflags : NULL;
	kerr_t err = KERR(EINVAL);

	if (p->rootfstype[0])
		return do_mount(node, at, p->rootfstype, flags, data);
	for (unsigned i = 0; i < ARRAY_SIZE(types) && kerr_code(err) == -EINVAL; i++)
		err = do_mount(node, at, types[i], flags | (i + 1 < ARRAY_SIZE(types) ? MS_SILENT : 0), data);
	return err;
}

static kerr_t mount_root(void)
{
	const struct boot_params *p = boot_params();
	struct block_device *bdev;
	struct path at;
	char node[40];
	kerr_t err = find_root(&bdev);

	if (err) {
		explain_no_root("is not there ", -kerr_code(err));
		return err;
	}
	ksnprintf(node, sizeof(node), "/dev/%s", bdev->name);
	err = do_mknod(AT_FDCWD, node, S_IFBLK | 0600, bdev->dev);
	block_put(bdev);
	if (!err)
		err = path_lookup(AT_FDCWD, "/root", LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &at);
	if (err)
		return err;
	err = mount_any(node, &at);
	path_put(&at);
	if (err) {
		explain_no_root(p->rootfstype[0] ? p->rootfstype : "holds no ext2, ext3 or ext4 ", -kerr_code(err));
		return err;
	}
	klog(LOG_NOTICE, "root: %s, mounted %s", node, p->ro ? "read-only" : "read-write");
	return move_root();
}

/* The initramfs, if the boot loader brought one; true if it has an /init to run. */
static bool unpack_initrd(void)
{
	const struct hal_boot_info *info = hal_boot_info();
	struct path init;
	kerr_t err;

	if (!info->initrd_end || boot_params()->noinitrd)
		return false;
	if (!hal_is_direct(info->initrd_end - 1)) {
		klog_err("initramfs: the boot loader put it above the direct map; not used");
		return false;
	}
	err = initramfs_unpack(hal_phys_to_virt(info->initrd), (size_t)(info->initrd_end - info->initrd));
	pages_give(info->initrd, info->initrd_end);
	if (err)
		return false;
	err = path_lookup(AT_FDCWD, "/init", LOOKUP_FOLLOW, &init);
	if (err)
		return false;
	path_put(&init);
	return true;
}

/* As Linux does with CONFIG_DEVTMPFS_MOUNT: a root without /dev still boots. */
static void mount_dev(void)
{
	struct path dev;
	kerr_t err = path_lookup(AT_FDCWD, "/dev", LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &dev);

	if (err)
		return;
	err = do_mount("devtmpfs", &dev, "devtmpfs", 0, NULL);
	if (err)
		klog_warn("devtmpfs: not mounted on /dev: error %d", -kerr_code(err));
	path_put(&dev);
}

static void open_console(void)
{
	struct open_how_k how = {.flags = O_RDWR | O_NOCTTY};
	struct file *f;
	kerr_t err = do_open(AT_FDCWD, "/dev/console", &how, &f);
	long fd;

	if (err) {
		klog_warn("cannot open /dev/console: error %d; init starts without standard files", -kerr_code(err));
		return;
	}
	for (int i = 0; i < 3; i++) {
		fd = fd_install(file_get(f), 0);
		if (fd < 0)
			file_put(f);
	}
	file_put(f);
}

struct init_try {
	const char *argv[36], *envp[36];
};

/* Returns only if it cannot be started. */
static kerr_t try_init(struct init_try *t, const char *path)
{
	kerr_t err;

	t->argv[0] = path;
	err = do_execve(AT_FDCWD, path, (struct exec_strings){.kern = t->argv}, (struct exec_strings){.kern = t->envp}, 0);
	if (!err) {
		kfree(t);
		hal_enter_user();
	}
	return err;
}

static void run_init(const char *initramfs_init)
{
	static const char *const defaults[] = {"/sbin/init", "/etc/init", "/bin/init", "/bin/sh"};
	const struct boot_params *p = boot_params();
	struct init_try *t = kzalloc(sizeof(*t), GFP_KERNEL);
	unsigned envc = 0;
	kerr_t err;

	if (!t)
		return;
	for (unsigned i = 0; i < p->init_argc && i + 2 < ARRAY_SIZE(t->argv); i++)
		t->argv[i + 1] = p->init_argv[i];
	t->envp[envc++] = "HOME=/";
	t->envp[envc++] = "TERM=linux";
	for (unsigned i = 0; i < p->init_envc && envc + 1 < ARRAY_SIZE(t->envp); i++)
		t->envp[envc++] = p->init_envp[i];
	if (initramfs_init || p->init[0]) {
		const char *path = p->init[0] && !initramfs_init ? p->init : initramfs_init;

		err = try_init(t, path);
		klog(LOG_EMERG, "cannot run %s: error %d", path, -kerr_code(err));
		if (!initramfs_init) {
			kfree(t);
			return;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		err = try_init(t, defaults[i]);
		if (kerr_code(err) != -ENOENT)
			klog(LOG_ERR, "cannot run %s: error %d", defaults[i], -kerr_code(err));
	}
	kfree(t);
}

void kernel_boot_user(void *unused)
{
	bool from_initrd;
	kerr_t err;

	(void)unused;
	/* In the first root, a tmpfs: places to mount on. They may exist already in an initramfs. */
	err = do_mkdir(AT_FDCWD, "/dev", 0755);
	if (!err)
		err = do_mkdir(AT_FDCWD, "/root", 0700);
	if (!err)
		err = do_mknod(AT_FDCWD, "/dev/console", S_IFCHR | 0600, DEV(5, 1));
	if (err)
		panic("the first root file system cannot be written: error %d", -kerr_code(err));
	hal_devices_probe();
	from_initrd = unpack_initrd();
	if (!from_initrd && mount_root())
		wait_for_user();
	if (!from_initrd)
		mount_dev();
	open_console();
	if (boot_params()->trace[0] && !strcmp(boot_params()->trace, "all"))
		hal_current()->flags |= TASK_TRACE_SYSCALLS;
	klog(LOG_NOTICE, "init: %s, %u ms after start", from_initrd ? "/init of the initramfs" : boot_params()->init[0] ? boot_params()->init : "/sbin/init",
	     (unsigned)div_u64((u64)ktime_get(), NSEC_PER_MSEC));
	run_init(from_initrd ? "/init" : NULL);
	klog(LOG_EMERG, "no init could be started: looked for %s; give init=/path on the boot line",
	     boot_params()->init[0] ? boot_params()->init : "/sbin/init, /etc/init, /bin/init, /bin/sh");
	wait_for_user();
}
