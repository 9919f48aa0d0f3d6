/* SPDX-License-Identifier: MIT */
/*
 * Memory as a file: the mapping of tmpfs files, and unnamed files for memfd and shared anonymous maps. See maestro/shmem.h for how pages live.
 *
 * Unnamed files are inodes without a link in a hidden tmpfs mount, made at first use (shmem_mutex). Seals: inode.seals, under the inode's rwsem.
 * Specification: tmpfs(5), memfd_create(2), fcntl(2) "File Sealing".
 */
#include "vm.h"

static void zero_whole(struct page *p)
{
	void *va = page_map(p);

	memset(va, 0, PAGE_SIZE);
	page_unmap(va);
}

static kerr_t shmem_read_pages(struct mapping *m, struct page **pages, unsigned n)
{
	(void)m;
	for (unsigned i = 0; i < n; i++) {
		zero_whole(pages[i]);
		page_end_read(pages[i], 0);
	}
	return KERR(0);
}

static kerr_t shmem_write_begin(struct mapping *m, loff_t pos, unsigned len, struct page **out)
{
	struct page *p;
	kerr_t err;

	if ((m->inode->seals & F_SEAL_GROW) && pos + len > m->inode->size)
		return KERR(EPERM);
	err = mapping_grab(m, (pgoff_t)(pos >> PAGE_SHIFT), &p);
	if (err)
		return err;
	if (!page_test(p, PG_DIRTY)) {
		err = shmem_charge(m);
		if (err) {
			page_unlock(p);
			page_put(p);
			return err;
		}
	}
	if (!page_test(p, PG_UPTODATE) && len < PAGE_SIZE) {
		zero_whole(p);
		page_set(p, PG_UPTODATE);
	}
	*out = p;
	return KERR(0);
}

static unsigned shmem_write_end(struct mapping *m, loff_t pos, unsigned len, unsigned copied, struct page *p)
{
	if (copied) {
		DEBUG_ASSERT(copied == len || page_test(p, PG_UPTODATE));
		page_set(p, PG_UPTODATE);
		page_set_dirty(p);
		if (pos + copied > m->inode->size)
			inode_set_size(m->inode, pos + copied);
	}
	(void)len;
	page_unlock(p);
	page_put(p);
	return copied;
}

const struct mapping_ops shmem_mapping_ops = {
	.read_pages = shmem_read_pages,
	.write_begin = shmem_write_begin,
	.write_end = shmem_write_end,
};

void shmem_mapping_init(struct inode *inode, struct shmem_limit *limit)
{
	mapping_init(&inode->data, inode, &shmem_mapping_ops);
	inode->data.flags = MAPPING_SHMEM;
	inode->data.limit = limit;
	inode->seals = F_SEAL_SEAL; /* only memfd allows seals */
}

/* ---- unnamed files ---- */

static kerr_t hidden_mount(struct mount **out)
{
	struct mm_state *s = mm_state();
	const struct fs_type *t;
	kerr_t err = KERR(0);

	*out = load_acquire(&s->shmem_mnt);
	if (*out)
		return KERR(0);
	mutex_lock(&s->shmem_mutex);
	if (!s->shmem_mnt) {
		t = fs_find("tmpfs");
		err = t ? mount_kernel(t, "tmpfs", 0, "size=0,nr_inodes=0", out) : KERR(ENODEV);
		if (!err)
			store_release(&s->shmem_mnt, *out);
	}
	*out = s->shmem_mnt;
	mutex_unlock(&s->shmem_mutex);
	return err;
}

kerr_t shmem_prepare(void)
{
	struct mount *mnt;

	return hidden_mount(&mnt);
}

static kerr_t unnamed_dentry(struct mount *mnt, const char *name, loff_t size, struct dentry **out)
{
	struct inode *dir = mnt->root->inode, *inode;
	struct name n = { .str = name, .len = (u32)strlen(name) };
	kerr_t err;

	if (!dir->ops->tmpfile)
		return KERR(EOPNOTSUPP);
	n.hash = name_hash(mnt->root, name, n.len);
	err = dentry_alloc(mnt->sb, mnt->root, &n, out);
	if (err)
		return err;
	err = dir->ops->tmpfile(dir, &inode, S_IFREG | 0777);
	if (err) {
		dentry_put(*out);
		return err;
	}
	inode_set_size(inode, size);
	dentry_instantiate(*out, inode);
	return KERR(0);
}

kerr_t shmem_file(loff_t size, const char *name, struct file **out)
{
	struct path p;
	kerr_t err;

	if (size < 0)
		return KERR(EINVAL);
	err = hidden_mount(&p.mnt);
	if (!err)
		err = unnamed_dentry(p.mnt, name, size, &p.dentry);
	if (err)
		return err;
	err = file_open_path(&p, O_RDWR | O_LARGEFILE, current_cred(), out);
	dentry_put(p.dentry);
	return err;
}

kerr_t shmem_zero_setup(struct vma *v)
{
	struct file *f, *old = v->file;
	kerr_t err = shmem_file((loff_t)(v->end - v->start), "dev/zero", &f);

	if (err)
		return err;
	v->file = f;
	v->pgoff = 0;
	v->ops = &generic_vm_ops;
	if (old)
		file_put(old);
	return KERR(0);
}

/* ---- seals ---- */

#define F_SEAL_ALL (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static bool has_seals(const struct file *f)
{
	return f->inode->mapping && f->inode->mapping->ops == &shmem_mapping_ops;
}

static long add_seals_locked(struct inode *inode, unsigned seals)
{
	if (inode->seals & F_SEAL_SEAL)
		return -EPERM;
	if ((seals & F_SEAL_WRITE) && !(inode->seals & F_SEAL_WRITE) && atomic_read(&inode->mapping->writable_maps) > 0)
		return -EBUSY;
	inode->seals |= seals;
	return 0;
}

long shmem_add_seals(struct file *f, unsigned seals)
{
	long ret;

	if (!has_seals(f))
		return -EINVAL;
	if (!(f->mode & FMODE_WRITE))
		return -EPERM;
	if (seals & ~F_SEAL_ALL)
		return -EINVAL;
	rwsem_write_lock(&f->inode->rwsem);
	ret = add_seals_locked(f->inode, seals);
	rwsem_write_unlock(&f->inode->rwsem);
	return ret;
}

long shmem_get_seals(struct file *f)
{
	return has_seals(f) ? (long)f->inode->seals : -EINVAL;
}

kerr_t shmem_check_resize(const struct inode *inode, loff_t new_size)
{
	if ((inode->seals & F_SEAL_SHRINK) && new_size < inode->size)
		return KERR(EPERM);
	if ((inode->seals & F_SEAL_GROW) && new_size > inode->size)
		return KERR(EPERM);
	return KERR(0);
}
