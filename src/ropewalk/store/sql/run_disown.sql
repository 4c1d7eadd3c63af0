UPDATE runs SET owner = '' WHERE number = :number AND epoch = :epoch
