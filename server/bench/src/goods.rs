//! A shop of any size: names composed of brands, kinds, goods and sizes as they
//! stand on Chinese shelves, prices that are many small and few large, sales by
//! Zipf's law. The same size and seed give the same files.

use crate::Result;
use clap::Args;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Code of the one store.
pub const STORE: &str = "s1";
/// On hand of everything.
const ON_HAND: i64 = 1_000_000;
/// Sales that are recorded, at most.
const SALES: usize = 20_000;

const FIRST: [char; 20] = [
    '金', '银', '天', '海', '福', '安', '康', '美', '乐', '华', '蒙', '光', '三', '百', '新', '东', '南', '北', '小',
    '老',
];
const SECOND: [char; 20] = [
    '龙', '源', '泉', '山', '谷', '禾', '牛', '味', '园', '达', '丰', '草', '元', '家', '鲜', '河', '田', '星', '宝',
    '厨',
];
const KINDS: [&str; 12] =
    ["", "有机", "原味", "低糖", "经典", "精选", "香辣", "草莓味", "农家", "进口", "无添加", "儿童"];
const SIZES: [(&str, u32, &str); 8] = [
    ("100g", 100, "g"),
    ("250g", 250, "g"),
    ("500g", 500, "g"),
    ("1kg", 1000, "g"),
    ("200ml", 200, "ml"),
    ("500ml", 500, "ml"),
    ("1L", 1000, "ml"),
    ("6包", 6, "piece"),
];
/// Departments and what they sell, with a picture each.
const DEPARTMENTS: [(&str, &str, &[&str]); 16] = [
    ("乳品", "glass-of-milk", &["纯牛奶", "酸奶", "奶酪", "黄油", "奶粉", "鲜牛奶", "炼乳", "奶油", "乳酸菌"]),
    ("水果", "red-apple", &["苹果", "香蕉", "脐橙", "葡萄", "西瓜", "草莓", "蓝莓", "猕猴桃", "火龙果"]),
    ("蔬菜", "leafy-green", &["西红柿", "黄瓜", "土豆", "白菜", "菠菜", "胡萝卜", "豆腐", "香菇", "金针菇"]),
    ("肉禽蛋", "egg", &["鸡蛋", "五花肉", "牛腩", "鸡胸肉", "排骨", "羊肉卷", "鸭蛋", "香肠", "培根"]),
    ("水产", "fish", &["三文鱼", "大虾", "带鱼", "鱿鱼", "扇贝", "海带", "鱼丸", "蟹肉", "紫菜"]),
    ("面包", "bread", &["吐司", "蛋糕", "面包", "饼干", "蛋挞", "月饼", "馒头", "花卷", "披萨"]),
    ("粮油", "cooked-rice", &["大米", "面粉", "花生油", "菜籽油", "小米", "挂面", "红豆", "燕麦", "糯米"]),
    ("调味", "jar", &["生抽", "老抽", "料酒", "米醋", "蚝油", "豆瓣酱", "食盐", "白糖", "胡椒粉"]),
    ("方便", "steaming-bowl", &["方便面", "自热锅", "米线", "螺蛳粉", "火锅底料", "罐头", "榨菜", "粥", "速食汤"]),
    ("零食", "cookie", &["薯片", "巧克力", "瓜子", "坚果", "果冻", "糖果", "海苔", "牛肉干", "山楂片"]),
    ("饮料", "cup-with-straw", &["可乐", "矿泉水", "橙汁", "绿茶", "咖啡", "豆浆", "椰汁", "苏打水", "奶茶"]),
    ("冷冻", "dumpling", &["水饺", "汤圆", "馄饨", "冰淇淋", "春卷", "手抓饼", "烧卖", "薯条", "玉米粒"]),
    ("母婴", "baby-bottle", &["纸尿裤", "湿巾", "米粉", "果泥", "奶瓶", "辅食面", "溶豆", "磨牙棒", "护臀膏"]),
    ("家清", "roll-of-paper", &["抽纸", "卷纸", "洗衣液", "洗洁精", "垃圾袋", "保鲜膜", "拖把", "消毒液", "洁厕剂"]),
    ("个护", "lotion-bottle", &["牙膏", "洗发水", "沐浴露", "香皂", "护手霜", "洗面奶", "牙刷", "面膜", "剃须刀"]),
    ("宠物", "dog-face", &["猫粮", "狗粮", "猫砂", "猫条", "狗咬胶", "宠物罐头", "冻干", "驱虫药", "宠物尿垫"]),
];
const GOODS_EACH: usize = 9;

/// Writes a shop, to look at it or to import it by hand.
#[derive(Args, Debug)]
pub struct Goods {
    /// Where to
    folder: PathBuf,
    /// SKUs of the shop
    #[arg(long, default_value_t = 1_000)]
    skus: usize,
}

impl Goods {
    /// Writes it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn run(&self) -> Result {
        write(&self.folder, self.skus, 1)
    }
}

/// Code of a department.
pub fn department(no: usize) -> String {
    format!("d{no:02}")
}

/// Code of a SKU.
pub fn code(no: usize) -> String {
    format!("S{no:07}")
}

/// Name of a SKU, without its size.
pub fn name(no: usize) -> String {
    let Parts { brand, kind, good, .. } = parts(no);
    format!("{}{kind}{good}", brand.iter().collect::<String>())
}

struct Parts {
    department: usize,
    leaf: usize,
    brand: [char; 2],
    kind: &'static str,
    good: &'static str,
    size: (&'static str, u32, &'static str),
}

/// Goods take turns; then come brands, kinds and sizes, so that two SKUs are the same nowhere.
fn parts(no: usize) -> Parts {
    let goods = DEPARTMENTS.len() * GOODS_EACH;
    let (leaf, rest) = (no % goods, no / goods);
    let (brand, rest) = (rest % 400, rest / 400);
    let (size, rest) = ((rest + leaf) % SIZES.len(), rest / SIZES.len());
    let kind = (rest + brand) % KINDS.len();
    let department = leaf % DEPARTMENTS.len();
    Parts {
        department,
        leaf,
        // A prime step, so that neighbours differ.
        brand: [FIRST[(brand * 7) % 20], SECOND[(brand / 20 + brand) % 20]],
        kind: KINDS[kind],
        good: DEPARTMENTS[department].2[leaf / DEPARTMENTS.len()],
        size: SIZES[size],
    }
}

/// Writes the import files of a shop with so many SKUs.
///
/// # Errors
/// If they cannot be written.
pub fn write(folder: &Path, skus: usize, seed: u64) -> Result {
    let mut rng = StdRng::seed_from_u64(seed);
    std::fs::create_dir_all(folder)?;
    let file = |name: &str| Ok::<_, crate::Error>(BufWriter::new(File::create(folder.join(name))?));
    writeln!(
        file("stores.csv")?,
        "code,name_zh,name_en,lat,lon,address_zh,address_en,phone,zone,opens,closes,delivery_radius_m,delivery_fee,\
         free_delivery_above,safety\n{STORE},大店,Large store,30.27690,120.12840,文三路 1 号,1 Wensan Road,0571-1000 2001,\
         Asia/Shanghai,00:00,23:59,5000,6.00,69.00,absolute 2"
    )?;
    writeln!(
        file("slots.csv")?,
        "store,kind,weekdays,start,end,capacity,cutoff_min\n{STORE},delivery,1234567,08:00,12:00,100000,60\n\
         {STORE},delivery,1234567,12:00,18:00,100000,60"
    )?;
    categories(file("categories.csv")?)?;
    let mut sku_file = file("skus.csv")?;
    let mut stock_file = file("stock.csv")?;
    writeln!(
        sku_file,
        "code,product,name_zh,name_en,brand_zh,brand_en,barcode,category,size_zh,size_en,sold_by,base_unit,pack_size,\
         pool,price,member_price,measure_amount,measure_unit,storage,counted,picture,status"
    )?;
    writeln!(stock_file, "store,pool,on_hand,as_of,kind")?;
    for no in 0..skus {
        let Parts { department, leaf, brand, size: (size, amount, unit), .. } = parts(no);
        let (code, name) = (code(no), name(no));
        let brand: String = brand.iter().collect();
        // Many small prices and few large ones.
        let mut draw = || rng.random_range(0.0..1.0_f64);
        let yuan = ((draw() + draw() + draw()) * 2.0).exp2().mul_add(1.5, 0.5).round();
        let member = if no % 5 == 0 { format!("{yuan:.0}.50") } else { String::new() };
        writeln!(
            sku_file,
            "{code},{code},{name} {size},Item {no} {size},{brand},Brand {brand},,l{leaf:03},{size},{size},piece,piece,1,\
             {code},{yuan:.0}.90,{member},{amount},{unit},ambient,0,{},on",
            DEPARTMENTS[department].1
        )?;
        writeln!(stock_file, "{STORE},{code},{ON_HAND},-5m,snapshot")?;
    }
    sku_file.flush()?;
    stock_file.flush()?;
    sales(file("sales.csv")?, skus, &mut rng)?;
    offers(file("offers.csv")?, file("banners.csv")?)
}

fn categories(mut file: impl Write) -> Result {
    writeln!(file, "code,parent,name_zh,name_en,sort,picture,safety,count_holds")?;
    for (no, (name, picture, _)) in DEPARTMENTS.iter().enumerate() {
        writeln!(file, "{},,{name},Department {no},{no},{picture},,day", department(no))?;
    }
    for leaf in 0..DEPARTMENTS.len() * GOODS_EACH {
        let no = leaf % DEPARTMENTS.len();
        let (_, picture, goods) = DEPARTMENTS[no];
        let good = goods[leaf / DEPARTMENTS.len()];
        writeln!(file, "l{leaf:03},{},{good},Goods {leaf},{leaf},{picture},,day", department(no))?;
    }
    Ok(file.flush()?)
}

/// Sales of the last month: the SKU of rank r is sold about 1/r as often as the first.
fn sales(mut file: impl Write, skus: usize, rng: &mut StdRng) -> Result {
    writeln!(file, "store,sku,sold_at,quantity,promo")?;
    for _ in 0..SALES.min(skus * 10) {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank below a million"
        )]
        let rank = (skus as f64).powf(rng.random_range(0.0..1.0)) as usize;
        // Ranks are strewn over all goods.
        let sku = rank.wrapping_mul(7919) % skus;
        let (days, packs) = (rng.random_range(1..30), rng.random_range(1..4));
        writeln!(file, "{STORE},{},-{days}d,{packs},0", code(sku))?;
    }
    Ok(file.flush()?)
}

fn offers(mut offers: impl Write, mut banners: impl Write) -> Result {
    writeln!(
        offers,
        "code,kind,name_zh,name_en,store,starts,ends,scope,price,percent_off,threshold,off,per_member,total,priority,excludes"
    )?;
    for no in 0..12 {
        let code = code(no * 37);
        writeln!(offers, "T{no},timed,今日特价,Cheap today,,-1d,+5d,sku:{code},,20,,,,,10,")?;
    }
    writeln!(offers, "M1,spend_save,满 199 减 20,20 off 199,,-1d,+9d,all,,,199,20,,,5,")?;
    writeln!(banners, "code,title_zh,title_en,text_zh,text_en,link,picture,sort")?;
    writeln!(banners, "deals,今日特价,Cheap today,天天好价,Good prices,/deals,shopping-cart,10")?;
    offers.flush()?;
    Ok(banners.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_skus_have_the_same_name_and_size() {
        let names: HashSet<String> = (0..200_000).map(|no| format!("{} {}", name(no), parts(no).size.0)).collect();
        assert_eq!(names.len(), 200_000);
    }
}
