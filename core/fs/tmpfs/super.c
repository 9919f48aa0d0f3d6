/* SPDX-License-Identifier: MIT */
/*
 * tmpfs: a file system in the page cache (tmpfs(5)). Options size= nr_blocks= nr_inodes= mode= uid= gid=; "ramfs" is the same without limits.
 * File contents are shmem pages (core/mm/shmem.c). Directories: dir.c.
 */
#include <hal/memory.h>
#include <maestro/acl.h>
#include <maestro/fs.h>
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>

#include "tmpfs.h"

#define TMPFS_MAGIC 0x01021994
#define RAMFS_MAGIC 0x858458f6

static struct inode *tmpfs_alloc_inode(struct super *sb)
{
	struct tmpfs_inode *ti = kzalloc(sizeof(*ti), GFP_KERNEL);

	(void)sb;
	if (!ti)
		return NULL;
	list_init(&ti->xattrs);
	return &ti->vfs;
}

static void tmpfs_free_inode(struct inode *inode)
{
	kfree(tmpfs_i(inode));
}

static void tmpfs_evict_inode(struct inode *inode)
{
	mapping_truncate(&inode->data, 0);
	kfree(tmpfs_i(inode)->target);
	tmpfs_xattr_free(inode);
	if (tmpfs_sb(inode->sb))
		atomic_sub(&tmpfs_sb(inode->sb)->inodes, 1);
}

kerr_t tmpfs_inode_make(struct super *sb, const struct inode *dir, mode_t mode, dev_t rdev, struct inode **out)
{
	struct tmpfs_super *ts = tmpfs_sb(sb);
	struct inode *inode;
	kerr_t err;

	if (ts->max_inodes && atomic_read(&ts->inodes) >= ts->max_inodes)
		return KERR(ENOSPC);
	err = inode_new(sb, &inode);
	if (err)
		return err;
	atomic_add(&ts->inodes, 1);
	inode->ino = (ino_t)atomic_add_return(&ts->next_ino, 1);
	inode_init_owner(inode, dir, mode);
	inode->generation = ts->generation;
	inode->nlink = S_ISDIR(mode) ? 2 : 1;
	inode->atime = inode->mtime = inode->ctime = inode->btime = ktime_get_real_coarse_ts();
	switch (mode & S_IFMT) {
	case S_IFREG:
		inode->ops = &tmpfs_file_ops;
		inode->fops = &tmpfs_file_fops;
		shmem_mapping_init(inode, &ts->limit);
		break;
	case S_IFDIR:
		inode->ops = &tmpfs_dir_ops;
		inode->fops = &tmpfs_dir_fops;
		inode->size = 2 * TMPFS_DIRENT_SIZE;
		inode_make_findable(inode); /* handles lead to what is in it */
		break;
	case S_IFLNK:
		inode->ops = &tmpfs_link_ops;
		break;
	default:
		inode->ops = &tmpfs_file_ops;
		inode_init_special(inode, inode->mode, rdev);
	}
	*out = inode;
	return 0;
}

static kerr_t tmpfs_setattr(struct inode *inode, const struct attr *a)
{
	kerr_t err;

	if ((a->valid & ATTR_SIZE) && S_ISREG(inode->mode)) {
		loff_t old = inode_size(inode);

		err = shmem_check_resize(inode, a->size);
		if (err)
			return err;
		if (a->size != old) {
			inode_set_size(inode, a->size);
			inode_touch(inode, ATTR_MTIME | ATTR_CTIME);
		}
		/* After the size: a fault that comes between sees it, and leaves no page past the end. Reserved pages there go too. */
		if (a->size <= old)
			mapping_truncate(&inode->data, a->size);
	}
	return inode_setattr_simple(inode, a);
}

static kerr_t tmpfs_readlink(struct inode *inode, char *buf)
{
	strlcpy(buf, tmpfs_i(inode)->target, PATH_MAX);
	return 0;
}

static kerr_t tmpfs_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	(void)f;
	(void)start;
	(void)end;
	(void)datasync;
	return 0; /* memory is all there is */
}

const struct inode_ops tmpfs_file_ops = {
	.setattr = tmpfs_setattr, .getxattr = tmpfs_getxattr, .setxattr = tmpfs_setxattr, .listxattr = tmpfs_listxattr};
const struct inode_ops tmpfs_link_ops = {
	.readlink = tmpfs_readlink, .setattr = tmpfs_setattr, .getxattr = tmpfs_getxattr, .setxattr = tmpfs_setxattr, .listxattr = tmpfs_listxattr};
const struct file_ops tmpfs_file_fops = {
	.read_iter = generic_read_iter,
	.write_iter = generic_write_iter,
	.llseek = shmem_llseek,
	.mmap = generic_mmap,
	.fsync = tmpfs_fsync,
	.fallocate = shmem_fallocate,
};

static kerr_t tmpfs_statfs(struct super *sb, struct kstatfs *out)
{
	struct tmpfs_super *ts = tmpfs_sb(sb);
	long used = atomic_read(&ts->limit.used);

	*out = (struct kstatfs){.type = sb->magic, .bsize = PAGE_SIZE, .frsize = PAGE_SIZE, .namelen = NAME_MAX};
	if (ts->limit.max) {
		out->blocks = (u64)ts->limit.max;
		out->bfree = out->bavail = (u64)MAX(ts->limit.max - used, 0L);
	}
	if (ts->max_inodes) {
		out->files = (u64)ts->max_inodes;
		out->ffree = (u64)MAX(ts->max_inodes - (long)atomic_read(&ts->inodes), 0L);
	}
	return 0;
}

/* Handles: generation and number. Inodes but directories come into the inode cache with their first one. */
static void tmpfs_id_make(struct inode *inode, struct file_id *id)
{
	inode_make_findable(inode);
	*id = (struct file_id){.word = {inode->generation, (u32)inode->ino, (u32)(inode->ino >> 32)}, .words = 3, .type = 1};
}

static kerr_t tmpfs_find(struct super *sb, ino_t ino, struct inode **out)
{
	*out = inode_find(sb, ino);
	return *out ? KERR(0) : KERR(ESTALE);
}

static kerr_t tmpfs_id_find(struct super *sb, const struct file_id *id, struct inode **out)
{
	kerr_t err = id->words < 3 ? KERR(ESTALE) : tmpfs_find(sb, (ino_t)id->word[2] << 32 | id->word[1], out);

	if (!err && (*out)->generation != id->word[0]) {
		inode_put(*out);
		err = KERR(ESTALE);
	}
	return err;
}

static kerr_t tmpfs_dir_parent(struct inode *dir, struct inode **out)
{
	return tmpfs_find(dir->sb, READ_ONCE(tmpfs_i(dir)->parent), out);
}

static void tmpfs_put_super(struct super *sb)
{
	kfree(sb->priv);
	sb->priv = NULL;
}

/* Pages, and inodes: half of memory unless said otherwise, as Linux. */
static long default_limit(void)
{
	return (long)(hal_boot_info()->ram_total >> (PAGE_SHIFT + 1));
}

static void set_defaults(struct tmpfs_super *ts)
{
	long half = default_limit();

	ts->limit.max = half;
	ts->max_inodes = half;
	ts->mode = 01777;
	ts->uid = current_cred()->fsuid;
	ts->gid = current_cred()->fsgid;
}

/* A number with k, m, g, or % of memory, in bytes (or plain for counts). */
static kerr_t parse_size(const char *s, size_t len, u64 *out)
{
	const char *end = s;
	kerr_t err = kstrtou64(&end, 0, out);

	if (err)
		return err;
	if (end < s + len) {
		switch (*end++ | 32) {
		case 'g':
			*out <<= 10;
			fallthrough;
		case 'm':
			*out <<= 10;
			fallthrough;
		case 'k':
			*out <<= 10;
			break;
		case '%' | 32:
			*out = div_u64(hal_boot_info()->ram_total, 100) * *out;
			break;
		default:
			return KERR(EINVAL);
		}
	}
	return end == s + len ? KERR(0) : KERR(EINVAL);
}

/* KERR(ENOENT): there is no such option. */
static kerr_t parse_option(struct tmpfs_super *ts, const char *opt, size_t len)
{
	const char *eq = memchr(opt, '=', len);
	size_t key = eq ? (size_t)(eq - opt) : len;
	const char *val = eq ? eq + 1 : opt + len, *end = val;
	size_t vlen = (size_t)(opt + len - val);
	u64 n = 0;
	kerr_t err = 0;

#define KEY(text) (key == sizeof(text) - 1 && !memcmp(opt, text, key))
	if (KEY("size") || KEY("nr_blocks") || KEY("nr_inodes")) {
		err = parse_size(val, vlen, &n);
		if (err)
			return err;
		if (KEY("size"))
			ts->limit.max = (long)MIN((n + PAGE_SIZE - 1) >> PAGE_SHIFT, (u64)LONG_MAX);
		else
			*(KEY("nr_blocks") ? &ts->limit.max : &ts->max_inodes) = (long)MIN(n, (u64)LONG_MAX);
	} else if (KEY("mode") || KEY("uid") || KEY("gid")) {
		err = kstrtou64(&end, KEY("mode") ? 8 : 10, &n);
		if (err || end != opt + len || n > U32_MAX)
			return KERR(EINVAL);
		if (KEY("mode"))
			ts->mode = (mode_t)n & 07777;
		else
			*(KEY("uid") ? &ts->uid : &ts->gid) = (u32)n;
	} else if (!KEY("huge") && !KEY("inode64") && !KEY("inode32") && !KEY("mpol")) {
		return KERR(ENOENT);
	}
#undef KEY
	return 0;
}

static kerr_t parse_options(struct tmpfs_super *ts, const char *data)
{
	while (data && *data) {
		const char *comma = strchr(data, ',');
		size_t len = comma ? (size_t)(comma - data) : strlen(data);
		kerr_t err = len ? parse_option(ts, data, len) : KERR(0);

		if (err)
			return KERR(EINVAL);
		data += len + (comma ? 1 : 0);
	}
	return 0;
}

static kerr_t tmpfs_check_option(const char *option)
{
	struct tmpfs_super unused = { 0 };

	return parse_option(&unused, option, strlen(option));
}

static kerr_t tmpfs_remount(struct super *sb, unsigned *ms_flags, const char *data)
{
	struct tmpfs_super *ts = tmpfs_sb(sb), want = *ts;
	kerr_t err = parse_options(&want, data);

	(void)ms_flags;
	if (err)
		return err;
	if ((want.limit.max && want.limit.max < atomic_read(&ts->limit.used)) || (want.max_inodes && want.max_inodes < atomic_read(&ts->inodes)))
		return KERR(EINVAL);
	ts->limit.max = want.limit.max;
	ts->max_inodes = want.max_inodes;
	return 0;
}

static void tmpfs_show_options(struct super *sb, struct seq_buf *s)
{
	struct tmpfs_super *ts = tmpfs_sb(sb);

	if (ts->limit.max && ts->limit.max != default_limit() && sb->magic == TMPFS_MAGIC)
		seq_printf(s, ",size=%lluk", (unsigned long long)ts->limit.max << (PAGE_SHIFT - 10));
	if (ts->max_inodes && ts->max_inodes != default_limit() && sb->magic == TMPFS_MAGIC)
		seq_printf(s, ",nr_inodes=%ld", ts->max_inodes);
	if (ts->mode != 01777)
		seq_printf(s, ",mode=%o", ts->mode);
	if (ts->uid)
		seq_printf(s, ",uid=%u", ts->uid);
	if (ts->gid)
		seq_printf(s, ",gid=%u", ts->gid);
}

static const struct super_ops tmpfs_super_ops = {
	.alloc_inode = tmpfs_alloc_inode,
	.free_inode = tmpfs_free_inode,
	.evict_inode = tmpfs_evict_inode,
	.put_super = tmpfs_put_super,
	.kill_tree = tmpfs_dir_free_all,
	.statfs = tmpfs_statfs,
	.remount = tmpfs_remount,
	.show_options = tmpfs_show_options,
	.id_make = tmpfs_id_make,
	.id_find = tmpfs_id_find,
	.dir_parent = tmpfs_dir_parent,
};

kerr_t tmpfs_fill_super(struct super *sb, const char *data, bool silent)
{
	struct tmpfs_super *ts = kzalloc(sizeof(*ts), GFP_KERNEL);
	struct inode *root;
	kerr_t err;

	(void)silent;
	if (!ts)
		return KERR(ENOMEM);
	set_defaults(ts);
	if (!strcmp(sb->type->name, "ramfs"))
		ts->limit.max = ts->max_inodes = 0;
	err = parse_options(ts, data);
	if (err)
		goto free_priv;
	ts->generation = random_u32();
	sb->priv = ts;
	sb->ops = &tmpfs_super_ops;
	sb->magic = strcmp(sb->type->name, "ramfs") ? TMPFS_MAGIC : RAMFS_MAGIC;
	sb->blocksize = PAGE_SIZE;
	sb->flags |= MS_POSIXACL;
	sb->max_bytes = sizeof(pgoff_t) == 4 ? (loff_t)U32_MAX << PAGE_SHIFT : S64_MAX;
	sb->time_gran = 1;
	err = tmpfs_inode_make(sb, NULL, S_IFDIR | ts->mode, 0, &root);
	if (err)
		goto free_priv;
	root->uid = ts->uid;
	root->gid = ts->gid;
	err = dentry_make_root(root, &sb->root);
	if (err)
		goto free_priv;
	return 0;

free_priv:
	sb->priv = NULL;
	kfree(ts);
	return err;
}

static const struct fs_type tmpfs_type = {.name = "tmpfs", .flags = FS_NODEV_LISTED, .fill_super = tmpfs_fill_super, .check_option = tmpfs_check_option};
static const struct fs_type ramfs_type = {.name = "ramfs", .flags = FS_NODEV_LISTED, .fill_super = tmpfs_fill_super};

kerr_t tmpfs_init(void)
{
	kerr_t err = fs_register(&tmpfs_type);

	return err ? err : fs_register(&ramfs_type);
}
