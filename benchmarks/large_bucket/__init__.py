"""What a large bucket costs, beside a small one."""
