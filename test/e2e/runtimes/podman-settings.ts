/** podman's files in /etc/containers, for hosts where neither a systemd nor an overlay has to be there. */
export const podmanSettings = {
  // runc, as crun refuses hosts that have both versions of control groups.
  'containers.conf': '[engine]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\nevents_logger = "file"\n',
  'storage.conf':
    '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n',
} as const;
