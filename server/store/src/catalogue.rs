//! Categories, pools, SKUs, search, banners.
